package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

const someTally = `{"removed":["1","2"],"deleted":["2"]}`

// openLedger is a ledger that sends its statements to a recorder.
func openLedger(t *testing.T, r *recorder, d sqlstore.Dialect) *sqlstore.Ledger {
	t.Helper()
	db := sql.OpenDB(r)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	l, err := sqlstore.NewLedger(db, d, "ops.ledger")
	require.NoError(t, err)
	return l
}

func quoted(d sqlstore.Dialect, name string) string {
	if d == sqlstore.PostgreSQL {
		return `"` + name + `"`
	}
	return "`" + name + "`"
}

// tallies is the answer to what asks for rows.
func tallies(d sqlstore.Dialect, texts ...string) reply {
	rows := [][]driver.Value{}
	for _, text := range texts {
		rows = append(rows, []driver.Value{[]byte(text)})
	}
	return reply{to: "SELECT " + quoted(d, "tally"), columns: []string{"tally"}, rows: rows}
}

func usedBy(d sqlstore.Dialect, runs ...string) reply {
	rows := [][]driver.Value{}
	for _, run := range runs {
		rows = append(rows, []driver.Value{run})
	}
	return reply{to: "SELECT " + quoted(d, "run_id"), columns: []string{"run_id"}, rows: rows}
}

var tallied = adsync.Tally{Removed: []string{"1", "2"}, Deleted: []string{"2"}}

// noteIt writes a row for an approved run.
func noteIt(t *testing.T, l *sqlstore.Ledger) error {
	return l.Note(t.Context(), "ad", "run", tallied, &adsync.Approval{Digest: "ab12"})
}

func TestLedger_Statements(t *testing.T) {
	for _, d := range dialects {
		r := &recorder{replies: []reply{usedBy(d), tallies(d, someTally), tallies(d, someTally), tallies(d, someTally, `{"removed":["3","1"],"revoked":["1"]}`)}}
		l := openLedger(t, r, d)
		require.NoError(t, noteIt(t, l))
		require.NoError(t, l.For("one").Note(t.Context(), "ad", "run", tallied, nil))
		recent, err := l.For("one").Recent(t.Context(), "ad", time.Unix(1700000000, 999))
		require.NoError(t, err)
		assert.Equal(t, adsync.Tally{Removed: []string{"1", "2", "3"}, Deleted: []string{"2"}, Revoked: []string{"1"}}, recent)
		log := regexp.MustCompile(fmt.Sprintf(`\b%d\d{6}\b`, time.Now().Unix()/1000000)).ReplaceAllString(r.statements(), "now")
		assertStatements(t, string(d)+"/ledger", log)
	}
}

// Whichever statement fails, nothing is kept and the error says what to look at.
func TestLedger_FaultsKeepNothing(t *testing.T) {
	for _, d := range dialects {
		failed := 0
		for n := 1; n < 10; n++ {
			r := &recorder{failAt: n, failHow: "at once", failWith: readOnly(d), replies: []reply{usedBy(d), tallies(d, someTally)}}
			err := noteIt(t, openLedger(t, r, d))
			log := r.statements()
			if r.failed == "" {
				require.NoError(t, err)
				break
			}
			failed++
			require.ErrorContains(t, err, "adsync: cannot write to the ledger in the table ops.ledger; see that it is there", "%s: %s", d, r.failed)
			require.ErrorContains(t, err, readOnly(d).Error(), "%s: %s", d, r.failed)
			require.NotErrorIs(t, err, adsync.ErrUsed)
			assert.Contains(t, log, "ROLLBACK\n")
			assert.NotContains(t, log, "COMMIT")
		}
		assert.Equal(t, 4, failed)

		for _, of := range []string{"BEGIN", "COMMIT"} {
			r := &recorder{replies: []reply{{to: of, err: errors.New("gone")}, usedBy(d), tallies(d, someTally)}}
			require.ErrorContains(t, noteIt(t, openLedger(t, r, d)), "gone", of)
		}
		failing := tallies(d)
		failing.err = errors.New("gone")
		_, err := openLedger(t, &recorder{replies: []reply{failing}}, d).Recent(t.Context(), "ad", time.Now())
		require.ErrorContains(t, err, "adsync: cannot read the ledger in the table ops.ledger; see that it is there as NewLedger says, and may be read: gone")
		failing = tallies(d, someTally)
		failing.rowsErr = errors.New("gone halfway")
		_, err = openLedger(t, &recorder{replies: []reply{failing}}, d).Recent(t.Context(), "ad", time.Now())
		require.ErrorContains(t, err, "gone halfway")
		_, err = openLedger(t, &recorder{replies: []reply{tallies(d, `{"removed":["1"`)}}, d).Recent(t.Context(), "ad", time.Now())
		require.ErrorContains(t, err, "a row has a tally that is not one")
		wide := tallies(d, someTally)
		wide.columns = []string{"tally", "more"}
		_, err = openLedger(t, &recorder{replies: []reply{wide}}, d).Recent(t.Context(), "ad", time.Now())
		require.ErrorContains(t, err, "adsync: cannot read the ledger in the table ops.ledger")
		require.ErrorContains(t, err, "expected 2 destination arguments")

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = openLedger(t, &recorder{}, d).Recent(ended, "ad", time.Now())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, openLedger(t, &recorder{}, d).Note(ended, "ad", "run", tallied, nil), context.Canceled)
	}
}

// An approval is used once, also where two runs find that out at the same time.
func TestLedger_ApprovalUsedBefore(t *testing.T) {
	for _, d := range dialects {
		r := &recorder{replies: []reply{usedBy(d, "another run")}}
		require.ErrorIs(t, noteIt(t, openLedger(t, r, d)), adsync.ErrUsed)
		log := r.statements()
		assert.Contains(t, log, "ROLLBACK\n")
		assert.NotContains(t, log, "INSERT")

		unique := map[sqlstore.Dialect]error{
			sqlstore.PostgreSQL: stateError{"23505", `duplicate key value violates unique constraint "ledger_approval"`},
			sqlstore.MySQL:      errors.New("Error 1062 (23000): Duplicate entry 'ad-ab12' for key 'tenant'"),
			sqlstore.SQLite:     errors.New("UNIQUE constraint failed: ledger.approval"),
		}[d]
		r = &recorder{replies: []reply{usedBy(d), {to: "INSERT", err: unique}}}
		require.ErrorIs(t, noteIt(t, openLedger(t, r, d)), adsync.ErrUsed)
		r = &recorder{replies: []reply{{to: "INSERT", err: unique}}}
		err := openLedger(t, r, d).Note(t.Context(), "ad", "run", tallied, nil)
		require.Error(t, err)
		require.NotErrorIs(t, err, adsync.ErrUsed)
	}
}

// A row that is not kept as it was given would count too little.
func TestLedger_WantsItsRowKept(t *testing.T) {
	for _, d := range dialects {
		for _, kept := range [][]string{{`{"removed":["1"`}, {}} {
			r := &recorder{replies: []reply{usedBy(d), tallies(d, kept...)}}
			require.ErrorContains(t, noteIt(t, openLedger(t, r, d)), "the database keeps another text than it was given")
			assert.NotContains(t, r.statements(), "COMMIT")
		}
	}
}

// A transaction that lost against another one is tried again.
func TestLedger_TriesAgain(t *testing.T) {
	for d, lost := range map[sqlstore.Dialect]error{
		sqlstore.PostgreSQL: stateError{"40001", "could not serialize access"},
		sqlstore.MySQL:      errors.New("Error 1213 (40001): Deadlock found when trying to get lock"),
		sqlstore.SQLite:     errors.New("database is locked (5)"),
	} {
		r := &recorder{replies: []reply{{to: "INSERT", err: lost}, usedBy(d), usedBy(d), tallies(d, someTally)}}
		require.NoError(t, noteIt(t, openLedger(t, r, d)))
		assert.Regexp(t, `(?s)ROLLBACK.*COMMIT`, r.statements())
		busy := tallies(d)
		busy.err = lost
		recent, err := openLedger(t, &recorder{replies: []reply{busy, tallies(d, someTally)}}, d).Recent(t.Context(), "ad", time.Now())
		require.NoError(t, err)
		assert.Equal(t, tallied, recent)

		synctest.Test(t, func(t *testing.T) { // whose clock does not wait
			busy := tallies(d)
			busy.err, busy.times = lost, 1000
			_, err := openLedger(t, &recorder{replies: []reply{busy}}, d).Recent(t.Context(), "ad", time.Now())
			assert.ErrorContains(t, err, lost.Error(), "not for ever")
		})
	}
}

func TestNewLedger_Refuses(t *testing.T) {
	db := sql.OpenDB(&recorder{})
	defer db.Close()
	for want, try := range map[string]func() (*sqlstore.Ledger, error){
		"needs a database":           func() (*sqlstore.Ledger, error) { return sqlstore.NewLedger(nil, sqlstore.SQLite, "ledger") },
		"no dialect":                 func() (*sqlstore.Ledger, error) { return sqlstore.NewLedger(db, "dBASE", "ledger") },
		"table or schema.table":      func() (*sqlstore.Ledger, error) { return sqlstore.NewLedger(db, sqlstore.SQLite, "a.b.c") },
		"sqlstore.NewLedger must be": func() (*sqlstore.Ledger, error) { return sqlstore.NewLedger(db, sqlstore.SQLite, "") },
	} {
		_, err := try()
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "adsync: ")
	}
}
