BEGIN
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", 7, "robot"
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 0, NULL, 7, "bob"
CALL note
    "create", "102"
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", 0, NULL, 7, "cid"
CALL note
    "create", "103"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` FORCE INDEX (PRIMARY) WHERE `id` IN (?, ?) AND (tenant = ? AND kind <> ?↵)
    102, 103, 7, "robot"
COMMIT
