BEGIN
UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND CAST(COALESCE(CONVERT(`id` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`guid` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`src` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`given` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`family` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`mail` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`phone` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`state` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND COALESCE(CAST(`admin` AS BINARY), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "anna", "anna", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", "0", "false", 7, "robot"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "anna", "anna", "101", 7, "robot"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
COMMIT
