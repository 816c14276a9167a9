BEGIN
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "101", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? AND (tenant = ? AND kind <> ?↵) FOR UPDATE
    "102", 7, "robot"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` FORCE INDEX (PRIMARY) WHERE `id` IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    101, 102, 7, "robot"
COMMIT
