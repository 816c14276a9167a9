SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?) AND 1 = 0
    "ad", "1", "2"
BEGIN
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?) AND `person` IN (?) FOR UPDATE
    "ad", "1", "2", "101"
UPDATE `people` SET `login` = ?, `login_lower` = ? WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "anna", "anna", "101", 7, "robot"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?) AND `person` IN (?) FOR UPDATE
    "ad", "1", "2", "101"
DELETE FROM `members` WHERE `person` = ? AND `role` = ? AND CAST(COALESCE(CONVERT(`role` USING utf8mb4), '') AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY) AND `origin` = ?
    "101", "1", "1", "ad"
INSERT INTO `members` (`person`, `role`, `origin`) VALUES (?, ?, ?)
    "101", "2", "ad"
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
SELECT `person`, `role`, CASE WHEN `origin` = ? THEN NULL ELSE 1 END FROM `members` WHERE `role` IN (?, ?) AND `person` IN (?) FOR UPDATE
    "ad", "1", "2", "101"
COMMIT
