SELECT `person`, `role` FROM `members` WHERE `role` IN (?, ?) AND 1 = 0
    1, 2
SELECT 1 FROM `people` LIMIT 1
BEGIN
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", 7, "robot"
INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", 0, NULL, 7, "ann"
SELECT `person`, `role` FROM `members` WHERE `role` IN (?, ?) AND `person` IN (?) FOR UPDATE
    1, 2, "101"
INSERT INTO `members` (`person`, `role`) VALUES (?, ?)
    "101", 2
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
SELECT `person`, `role` FROM `members` WHERE `role` IN (?, ?) AND `person` IN (?) FOR UPDATE
    1, 2, "101"
COMMIT
