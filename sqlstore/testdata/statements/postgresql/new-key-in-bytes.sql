BEGIN
SELECT CAST("id" AS text), "guid", CAST("login" AS text), CAST("mail" AS text) FROM "people" WHERE "guid" = ANY (CAST($1 AS bytea[]))
    "{\"\\\\xe124855b000000000000000000000001\"}"
INSERT INTO "people" ("guid", "login", "mail") VALUES ($1, $2, $3) RETURNING CAST("id" AS text)
    x'e124855b000000000000000000000001', "ann", ""
SELECT CAST("id" AS text), "guid", CAST("login" AS text), CAST("mail" AS text) FROM "people" WHERE "id" = $1 FOR UPDATE
    x'3031323334353637383961626364656f'
COMMIT
