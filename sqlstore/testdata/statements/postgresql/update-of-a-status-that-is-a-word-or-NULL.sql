BEGIN
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), "state", "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "101", 7, "robot"
UPDATE "people" SET "login" = $1, "login_lower" = $2 WHERE "id" = $3 AND (tenant = $4 AND kind <> $5↵)
    "anna", "anna", "101", 7, "robot"
SELECT CAST("id" AS text), CAST("guid" AS text), CAST("src" AS text), CAST("login" AS text), CAST("given" AS text), CAST("family" AS text), CAST("mail" AS text), CAST("phone" AS text), "state", "admin" FROM "people" WHERE "id" = $1 AND (tenant = $2 AND kind <> $3↵) FOR UPDATE
    "101", 7, "robot"
COMMIT
