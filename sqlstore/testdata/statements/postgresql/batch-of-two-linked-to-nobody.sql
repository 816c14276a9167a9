BEGIN
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    NULL, "ad", "ann", "F", "L", NULL, "1", "active", false, NULL, 7, "ann"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    NULL, "ad", "bob", "F", "L", NULL, "1", "active", false, NULL, 7, "bob"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" IN (SELECT unnest(CAST(CAST($1 AS text) AS bigint[]))) AND (tenant = $2 AND kind <> $3↵)
    "{\"101\",\"102\"}", 7, "robot"
COMMIT
