BEGIN
SELECT `id`, `guid`, `src`, `login`, `given`, `family`, `mail`, `phone`, `state`, `admin` FROM `people` WHERE (`src` = ?) AND `guid` IN (?, ?, ?, ?, ?, ?) AND (tenant = ? AND kind <> ?↵)
    "ad", "e124855b-0000-0000-0000-000000000001", "E124855B-0000-0000-0000-000000000001", "{e124855b-0000-0000-0000-000000000001}", "{E124855B-0000-0000-0000-000000000001}", "e124855b000000000000000000000001", "E124855B000000000000000000000001", 7, "robot"
COMMIT
