BEGIN
DELETE FROM `people` WHERE 0
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "101", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵)
    "102", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    "101", "102", 7, "robot"
COMMIT
