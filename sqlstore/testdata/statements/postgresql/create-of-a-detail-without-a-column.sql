BEGIN
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text) FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[])) AND (tenant = $3 AND kind <> $4↵)
    "ad", "{\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\"}", 7, "robot"
COMMIT
