BEGIN
DELETE FROM `people` WHERE 0
UPDATE `people` SET `state` = ?, `left_at` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND `left_at` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "on", NULL, "ann", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "off", 1783501811, "0", "false", 7, "robot"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "101", 7, "robot"
COMMIT
BEGIN
DELETE FROM `people` WHERE 0
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002", 7, "robot"
INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "off", 1783501811, 0, NULL, 7, "bob"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "102", 7, "robot"
COMMIT
BEGIN
DELETE FROM `people` WHERE 0
UPDATE `people` SET `state` = ?, `left_at` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND `left_at` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "off", 1783501811, "cid", "103", "103", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "off", NULL, "0", "false", 7, "robot"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "103", 7, "robot"
COMMIT
BEGIN
DELETE FROM `people` WHERE 0
(prepared) UPDATE `people` SET `state` = ?, `left_at` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND `left_at` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "on", NULL, "ann", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "off", 1783501811, "0", "false", 7, "robot"
(prepared) UPDATE `people` SET `state` = ?, `left_at` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND `left_at` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "on", NULL, "bob", "102", "102", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "off", 1783501811, "0", "false", 7, "robot"
(prepared) DELETE FROM `people` WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND `left_at` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "103", "103", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "off", 1783501811, "0", "false", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `left_at`, `admin` FROM `people` WHERE `id` IN (?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "101", "102", "103", 7, "robot"
COMMIT
