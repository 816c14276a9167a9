BEGIN
UPDATE "people" SET "guid" = $1, "admin" = $2, "mail" = $3, "login_lower" = $4 WHERE "id" = $5 AND COALESCE(CAST("id" AS text), '') COLLATE "C" = $6 AND COALESCE(CAST("guid" AS text), '') COLLATE "C" = $7 AND COALESCE(CAST("src" AS text), '') COLLATE "C" = $8 AND COALESCE(CAST("login" AS text), '') COLLATE "C" = $9 AND COALESCE(CAST("given" AS text), '') COLLATE "C" = $10 AND COALESCE(CAST("family" AS text), '') COLLATE "C" = $11 AND COALESCE(CAST("mail" AS text), '') COLLATE "C" = $12 AND COALESCE(CAST("phone" AS text), '') COLLATE "C" = $13 AND COALESCE(CAST("state" AS text), '') COLLATE "C" = $14 AND COALESCE(CAST("admin" AS text), '0') IN ($15, $16) AND (tenant = $17 AND kind <> $18↵)
    NULL, true, NULL, "dan", "104", "104", "e124855b-0000-0000-0000-000000000004", "ad", "dan", "F", "L", "dan@corp.example", "1", "active", "0", "false", 7, "robot"
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), CAST("state" AS text), "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "104", 7, "robot"
COMMIT
