BEGIN
DELETE FROM `people` WHERE 0
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000004", "E124855B-0000-0000-0000-000000000004", "{e124855b-0000-0000-0000-000000000004}", "{E124855B-0000-0000-0000-000000000004}", "e124855b000000000000000000000004", "E124855B000000000000000000000004", 7, "robot"
INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000004", "ad", "dan", "F", "L", NULL, "1", "active", 1, NULL, 7, "dan"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "104", 7, "robot"
COMMIT
