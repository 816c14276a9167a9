BEGIN
DELETE FROM `people` WHERE 0
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002", 7, "robot"
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 0, NULL, 7, "bob"
(prepared) UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "anna", "anna", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", "0", "false", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "102", "101", 7, "robot"
COMMIT
