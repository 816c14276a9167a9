BEGIN
DELETE FROM `people` WHERE 0
(prepared) UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`state` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "bobby", "bobby", "102", "102", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", "0", "false", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "102", 7, "robot"
COMMIT
