BEGIN
SELECT `id`, `guid`, `login`, `mail` FROM `people` WHERE `guid` IN (?)
    x'e124855b000000000000000000000001'
INSERT INTO `people` (`guid`, `login`, `mail`) VALUES (?, ?, ?)
    x'e124855b000000000000000000000001', "ann", ""
SELECT `id`, `guid`, `login`, `mail` FROM `people` WHERE `guid` IN (?)
    x'e124855b000000000000000000000001'
SELECT `id`, `guid`, `login`, `mail` FROM `people` WHERE `id` = ? FOR UPDATE
    x'3031323334353637383961626364656f'
COMMIT
