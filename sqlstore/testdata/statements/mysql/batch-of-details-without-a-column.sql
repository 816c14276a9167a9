BEGIN
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", 7, "robot"
ROLLBACK
BEGIN
SAVEPOINT adsync
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND CAST(COALESCE(CONVERT(`id` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`guid` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`src` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`login` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`given` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`family` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`mail` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`phone` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND CAST(COALESCE(CONVERT(`state` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND (tenant = ? AND kind <> ?↵)
    "bobby", "bobby", "102", "102", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "102", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", NULL, 7, "cid"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "103", 7, "robot"
RELEASE SAVEPOINT adsync
COMMIT
