BEGIN
UPDATE "people" SET "guid" = $1, "note" = $2, "tenant" = $3, "login" = $4, "login_lower" = $5 WHERE "id" = $6 AND COALESCE(CAST("id" AS text), '') COLLATE "C" = $7 AND COALESCE(CAST("guid" AS text), '') COLLATE "C" = $8 AND COALESCE(CAST("src" AS text), '') COLLATE "C" = $9 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $10 AND COALESCE(CAST("given" AS text), '') COLLATE "C" = $11 AND COALESCE(CAST("family" AS text), '') COLLATE "C" = $12 AND COALESCE(CAST("phone" AS text), '') COLLATE "C" = $13 AND COALESCE(CAST("state" AS text), '') COLLATE "C" = $14 AND COALESCE(CAST("admin" AS text), '0') IN ($15, $16) AND (tenant = $17 AND kind <> $18↵)
    NULL, "left", 8, "~deleted-101", "~deleted-101", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "1", "active", "0", "false", 7, "robot"
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "101", 7, "robot"
COMMIT
