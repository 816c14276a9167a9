BEGIN
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "102", 7, "robot"
(prepared) UPDATE `people` SET `guid` = ?, `note` = ?, `tenant` = ?, `login` = ?, `mail` = ?, `login_lower` = ? WHERE `id` = ? AND CAST(COALESCE(CONVERT(`id` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`guid` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`src` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`given` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`family` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`mail` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`phone` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`state` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND COALESCE(CAST(`admin` AS BINARY), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    NULL, "left", 8, "~deleted-103", NULL, "~deleted-103", "103", "103", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", "0", "false", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "103", 7, "robot"
COMMIT
