BEGIN
(prepared) UPDATE "people" SET "login" = $1, "login_lower" = $2 WHERE "id" = $3 AND COALESCE(CAST("id" AS text), '') COLLATE "C" = $4 AND COALESCE(CAST("guid" AS text), '') COLLATE "C" = $5 AND COALESCE(CAST("src" AS text), '') COLLATE "C" = $6 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $7 AND COALESCE(CAST("given" AS text), '') COLLATE "C" = $8 AND COALESCE(CAST("family" AS text), '') COLLATE "C" = $9 AND COALESCE(CAST("mail" AS text), '') COLLATE "C" = $10 AND COALESCE(CAST("phone" AS text), '') COLLATE "C" = $11 AND COALESCE(CAST("state" AS text), '') COLLATE "C" = $12 AND COALESCE(CAST("admin" AS text), '0') IN ($13, $14) AND (tenant = $15 AND kind <> $16↵)
    "anna", "anna", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", "active", "0", "false", 7, "robot"
CALL note
    "update", "101"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "102", 7, "robot"
CALL note
    "delete", "102"
(prepared) DELETE FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵)
    "102", 7, "robot"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE ("src" = $1) AND "guid" = ANY (CAST($2 AS text[])) AND (tenant = $3 AND kind <> $4↵)
    "ad", "{\"e124855b-0000-0000-0000-000000000003\",\"E124855B-0000-0000-0000-000000000003\",\"{e124855b-0000-0000-0000-000000000003}\",\"{E124855B-0000-0000-0000-000000000003}\",\"e124855b000000000000000000000003\",\"E124855B000000000000000000000003\"}", 7, "robot"
(prepared) INSERT INTO "people" ("guid", "src", "login", "given", "family", "mail", "phone", "state", "admin", "note", "tenant", "login_lower") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING CAST("id" AS text)
    "e124855b-0000-0000-0000-000000000003", "ad", "cid", "F", "L", "cid@corp.example", "1", "active", false, NULL, 7, "cid"
CALL note
    "create", "103"
(prepared) SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" IN (SELECT unnest(CAST(CAST($1 AS text) AS bigint[]))) AND (tenant = $2 AND kind <> $3↵)
    "{\"101\",\"102\",\"103\"}", 7, "robot"
COMMIT
