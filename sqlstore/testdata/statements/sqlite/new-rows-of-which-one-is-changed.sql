BEGIN
DELETE FROM `people` WHERE 0
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "ad", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002"
(prepared) INSERT OR FAIL INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`, `guid`, `src`
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", 0, NULL, 7, "ann", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 0, NULL, 7, "bob", "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", 0, NULL, 7, "cid"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` IN (?, ?, ?)
    "103", "101", "102"
ROLLBACK
BEGIN
DELETE FROM `people` WHERE 0
SAVEPOINT adsync
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    "ad", "e124855b-0000-0000-0000-000000000003", "E124855B-0000-0000-0000-000000000003", "{e124855b-0000-0000-0000-000000000003}", "{E124855B-0000-0000-0000-000000000003}", "e124855b000000000000000000000003", "E124855B000000000000000000000003", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", "e124855b-0000-0000-0000-000000000002", "E124855B-0000-0000-0000-000000000002", "{e124855b-0000-0000-0000-000000000002}", "{E124855B-0000-0000-0000-000000000002}", "e124855b000000000000000000000002", "E124855B000000000000000000000002"
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", 0, NULL, 7, "cid"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ?
    "103"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", 0, NULL, 7, "ann"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ?
    "101"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO `people` (`guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin`, `note`, `tenant`, `login_lower`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING `id`
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", 0, NULL, 7, "bob"
(prepared) SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE `id` = ?
    "102"
ROLLBACK TO SAVEPOINT adsync
RELEASE SAVEPOINT adsync
COMMIT
