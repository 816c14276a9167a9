BEGIN
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[])) AND (tenant = $3 AND kind <> $4↵)
    "ad", "{\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\",\"e124855b-0000-0000-0000-000000000002\",\"E124855B-0000-0000-0000-000000000002\",\"{e124855b-0000-0000-0000-000000000002}\",\"{E124855B-0000-0000-0000-000000000002}\",\"e124855b000000000000000000000002\",\"E124855B000000000000000000000002\",\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\"}", 7, "robot"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12), ($13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24), ($25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36) RETURNING CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text)
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", false, NULL, 7, "ann", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", false, NULL, 7, "ann", "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", false, NULL, 7, "bob"
ROLLBACK
BEGIN
SAVEPOINT adsync
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[])) AND (tenant = $3 AND kind <> $4↵)
    "ad", "{\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\",\"e124855b-0000-0000-0000-000000000002\",\"E124855B-0000-0000-0000-000000000002\",\"{e124855b-0000-0000-0000-000000000002}\",\"{E124855B-0000-0000-0000-000000000002}\",\"e124855b000000000000000000000002\",\"E124855B000000000000000000000002\",\"e124855b-0000-0000-0000-000000000001\",\"E124855B-0000-0000-0000-000000000001\",\"{e124855b-0000-0000-0000-000000000001}\",\"{E124855B-0000-0000-0000-000000000001}\",\"e124855b000000000000000000000001\",\"E124855B000000000000000000000001\"}", 7, "robot"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", false, NULL, 7, "ann"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "101", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000002", "ad", "bob", "F", "L", "bob@corp.example", "1", "active", false, NULL, 7, "bob"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "102", 7, "robot"
RELEASE SAVEPOINT adsync
SAVEPOINT adsync
RELEASE SAVEPOINT adsync
COMMIT
