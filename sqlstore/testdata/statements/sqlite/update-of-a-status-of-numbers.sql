BEGIN
DELETE FROM `people` WHERE 0
UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND COALESCE(CAST(`id` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`guid` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`src` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`login` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`given` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`family` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`mail` AS TEXT), '') COLLATE BINARY = ? AND COALESCE(CAST(`phone` AS TEXT), '') COLLATE BINARY = ? AND `state` IS ? AND COALESCE(CAST(`admin` AS TEXT), '0') IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "anna", "anna", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", 1, "0", "false", 7, "robot"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "101", 7, "robot"
COMMIT
