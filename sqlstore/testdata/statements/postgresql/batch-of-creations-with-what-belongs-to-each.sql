BEGIN
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[])) AND (tenant = $3 AND kind <> $4↵)
    "ad", "{\"e124855b-0000-0000-0000-000000000002\",\"E124855B-0000-0000-0000-000000000002\",\"{e124855b-0000-0000-0000-000000000002}\",\"{E124855B-0000-0000-0000-000000000002}\",\"e124855b000000000000000000000002\",\"E124855B000000000000000000000002\",\"e124855b-0000-0000-0000-000000000003\",\"E124855B-0000-0000-0000-000000000003\",\"{e124855b-0000-0000-0000-000000000003}\",\"{E124855B-0000-0000-0000-000000000003}\",\"e124855b000000000000000000000003\",\"E124855B000000000000000000000003\"}", 7, "robot"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", false, NULL, 7, "bob"
CALL note
    "create", "102"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", false, NULL, 7, "cid"
CALL note
    "create", "103"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" IN (SELECT unnest(CAST(CAST($1 AS text) AS bigint[]))) AND (tenant = $2 AND kind <> $3↵)
    "{\"102\",\"103\"}", 7, "robot"
COMMIT
