BEGIN
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[]))
    "ad", "{\"e124855b-0000-0000-0000-000000000003\",\"E124855B-0000-0000-0000-000000000003\",\"{e124855b-0000-0000-0000-000000000003}\",\"{E124855B-0000-0000-0000-000000000003}\",\"e124855b000000000000000000000003\",\"E124855B000000000000000000000003\",\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\",\"e124855b-0000-0000-0000-000000000002\",\"E124855B-0000-0000-0000-000000000002\",\"{e124855b-0000-0000-0000-000000000002}\",\"{E124855B-0000-0000-0000-000000000002}\",\"e124855b000000000000000000000002\",\"E124855B000000000000000000000002\"}"
INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") SELECT "adsync 1", "adsync 2", "adsync 3", "adsync 4", "adsync 5", "adsync 6", "adsync 7", "adsync 8", CAST("adsync 9" AS boolean), "adsync 10", CAST("adsync 11" AS bigint), "adsync 12" FROM unnest(CAST(CAST($1 AS text) AS text[]), CAST(CAST($2 AS text) AS text[]), CAST(CAST($3 AS text) AS text[]), CAST(CAST($4 AS text) AS text[]), CAST(CAST($5 AS text) AS text[]), CAST(CAST($6 AS text) AS text[]), CAST(CAST($7 AS text) AS text[]), CAST(CAST($8 AS text) AS text[]), CAST(CAST($9 AS text) AS text[]), CAST(CAST($10 AS text) AS text[]), CAST(CAST($11 AS text) AS text[]), CAST(CAST($12 AS text) AS text[])) WITH ORDINALITY AS "adsync rows" ("adsync 1", "adsync 2", "adsync 3", "adsync 4", "adsync 5", "adsync 6", "adsync 7", "adsync 8", "adsync 9", "adsync 10", "adsync 11", "adsync 12", "adsync n") RETURNING CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin"
    "{\"e124855b-0000-0000-0000-000000000001\",\"e124855b-0000-0000-0000-000000000002\",\"e124855b-0000-0000-0000-000000000003\"}", "{\"ad\",\"ad\",\"ad\"}", "{\"ann\",\"bob\",\"cid\"}", "{\"F\",\"F\",\"F\"}", "{\"L\",\"L\",\"L\"}", "{\"ann@corp.example\",\"bob@corp.example\",\"cid@corp.example\"}", "{\"1\",\"1\",\"1\"}", "{\"active\",\"active\",\"active\"}", "{\"false\",\"false\",\"false\"}", "{NULL,NULL,NULL}", "{\"7\",\"7\",\"7\"}", "{\"ann\",\"bob\",\"cid\"}"
ROLLBACK
BEGIN
SAVEPOINT adsync
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[]))
    "ad", "{\"e124855b-0000-0000-0000-000000000003\",\"E124855B-0000-0000-0000-000000000003\",\"{e124855b-0000-0000-0000-000000000003}\",\"{E124855B-0000-0000-0000-000000000003}\",\"e124855b000000000000000000000003\",\"E124855B000000000000000000000003\",\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\",\"e124855b-0000-0000-0000-000000000002\",\"E124855B-0000-0000-0000-000000000002\",\"{e124855b-0000-0000-0000-000000000002}\",\"{E124855B-0000-0000-0000-000000000002}\",\"e124855b000000000000000000000002\",\"E124855B000000000000000000000002\"}"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", false, NULL, 7, "cid"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 FOR UPDATE
    "103"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", false, NULL, 7, "ann"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 FOR UPDATE
    "101"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", false, NULL, 7, "bob"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 FOR UPDATE
    "102"
ROLLBACK TO SAVEPOINT adsync
RELEASE SAVEPOINT adsync
COMMIT
