BEGIN
DELETE FROM `people` WHERE 0
SELECT `id`, `guid`, `login`, `mail` FROM `people` WHERE `guid` IN (?)
    x'5b8524e1000000000000000000000001'
INSERT INTO `people` (`guid`, `login`, `mail`) VALUES (?, ?, ?) RETURNING `id`
    x'5b8524e1000000000000000000000001', "ann", ""
SELECT `id`, `guid`, `login`, `mail` FROM `people` WHERE `id` = ?
    x'3031323334353637383961626364656f'
COMMIT
