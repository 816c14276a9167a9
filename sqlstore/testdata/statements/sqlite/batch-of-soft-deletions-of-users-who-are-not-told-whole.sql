BEGIN
DELETE FROM `people` WHERE 0
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "101", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "102", 7, "robot"
(prepared) UPDATE `people` SET `guid` = ?, `note` = ?, `tenant` = ?, `login` = ?, `mail` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    NULL, "left", 8, "~deleted-103", NULL, "~deleted-103", "103", "103", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", "0", "false", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "103", 7, "robot"
COMMIT
