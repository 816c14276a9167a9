BEGIN
DELETE FROM `people` WHERE 0
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "101", 7, "robot"
ROLLBACK
