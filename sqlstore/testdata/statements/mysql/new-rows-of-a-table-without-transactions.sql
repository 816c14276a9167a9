BEGIN
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "ad", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002"
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", 0, NULL, 7, "ann", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 0, NULL, 7, "bob", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", 0, NULL, 7, "cid"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? FOR UPDATE
    "103"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? FOR UPDATE
    "101"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ? FOR UPDATE
    "102"
COMMIT
