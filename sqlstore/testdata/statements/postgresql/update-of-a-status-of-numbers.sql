BEGIN
UPDATE "people" SET "login" = $1, "login_lower" = $2 WHERE "id" = $3 AND COALESCE(CAST("id" AS text), '') COLLATE "C" = $4 AND COALESCE(CAST("guid" AS text), '') COLLATE "C" = $5 AND COALESCE(CAST("src" AS text), '') COLLATE "C" = $6 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $7 AND COALESCE(CAST("given" AS text), '') COLLATE "C" = $8 AND COALESCE(CAST("family" AS text), '') COLLATE "C" = $9 AND COALESCE(CAST("mail" AS text), '') COLLATE "C" = $10 AND COALESCE(CAST("phone" AS text), '') COLLATE "C" = $11 AND "state" IS NOT DISTINCT FROM $12 AND COALESCE(CAST("admin" AS text), '0') IN ($13, $14) AND (tenant = $15 AND kind <> $16↵)
    "anna", "anna", "101", "101", "e124855b-0000-0000-0000-000000000001", "ad", "ann", "F", "L", "ann@corp.example", "1", 1, "0", "false", 7, "robot"
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), "state", "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "101", 7, "robot"
COMMIT
