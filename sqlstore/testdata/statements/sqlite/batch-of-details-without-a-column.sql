BEGIN
DELETE FROM `people` WHERE 0
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", 7, "robot"
ROLLBACK
BEGIN
DELETE FROM `people` WHERE 0
SAVEPOINT adsync
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND (tenant = ? AND kind <> ?↵)
    "bobby", "bobby", "102", "102", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "102", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", NULL, 7, "cid"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "103", 7, "robot"
RELEASE SAVEPOINT adsync
COMMIT
