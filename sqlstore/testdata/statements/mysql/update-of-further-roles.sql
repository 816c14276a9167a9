SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?, ?) AND 1 = 0
    "ad", 1, 2, 3
BEGIN
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?, ?) AND `person` IN (?) FOR UPDATE
    "ad", 1, 2, 3, "101"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?, ?) AND `person` IN (?) FOR UPDATE
    "ad", 1, 2, 3, "101"
INSERT INTO `members` (`person`, `role`, `origin`) VALUES (?, ?, ?)
    "101", 2, "ad"
INSERT INTO `members` (`person`, `role`, `origin`) VALUES (?, ?, ?)
    "101", 3, "ad"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?, ?) AND `person` IN (?) FOR UPDATE
    "ad", 1, 2, 3, "101"
COMMIT
