BEGIN
DELETE FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `run_id` = ?
    "", "ad", "run"
SELECT `run_id` FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `approval` = ?
    "", "ad", "ab12"
INSERT INTO `ops`.`ledger` (`tenant`, `source`, `run_id`, `noted_at`, `approval`, `tally`) VALUES (?, ?, ?, ?, ?, ?)
    "", "ad", "run", now, "ab12", "{\"removed\":[\"1\",\"2\"],\"deleted\":[\"2\"]}"
SELECT `tally` FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `run_id` = ?
    "", "ad", "run"
COMMIT
BEGIN
DELETE FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `run_id` = ?
    "one", "ad", "run"
INSERT INTO `ops`.`ledger` (`tenant`, `source`, `run_id`, `noted_at`, `approval`, `tally`) VALUES (?, ?, ?, ?, ?, ?)
    "one", "ad", "run", now, NULL, "{\"removed\":[\"1\",\"2\"],\"deleted\":[\"2\"]}"
SELECT `tally` FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `run_id` = ?
    "one", "ad", "run"
COMMIT
SELECT `tally` FROM `ops`.`ledger` WHERE `tenant` = ? AND `source` = ? AND `noted_at` >= ?
    "one", "ad", 1700000000
