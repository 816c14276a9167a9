BEGIN
DELETE FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "run_id" = $3
    "", "ad", "run"
SELECT "run_id" FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "approval" = $3
    "", "ad", "ab12"
INSERT INTO "ops"."ledger" ("tenant", "source", "run_id", "noted_at", "approval", "tally") VALUES ($1, $2, $3, $4, $5, $6)
    "", "ad", "run", now, "ab12", "{\"removed\":[\"1\",\"2\"],\"deleted\":[\"2\"]}"
SELECT "tally" FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "run_id" = $3
    "", "ad", "run"
COMMIT
BEGIN
DELETE FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "run_id" = $3
    "one", "ad", "run"
INSERT INTO "ops"."ledger" ("tenant", "source", "run_id", "noted_at", "approval", "tally") VALUES ($1, $2, $3, $4, $5, $6)
    "one", "ad", "run", now, NULL, "{\"removed\":[\"1\",\"2\"],\"deleted\":[\"2\"]}"
SELECT "tally" FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "run_id" = $3
    "one", "ad", "run"
COMMIT
SELECT "tally" FROM "ops"."ledger" WHERE "tenant" = $1 AND "source" = $2 AND "noted_at" >= $3
    "one", "ad", 1700000000
