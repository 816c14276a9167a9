package onsqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// ledgerTable is that of NewLedger's comment.
const ledgerTable = `CREATE TABLE adsync_ledger (
	tenant   TEXT    NOT NULL,
	source   TEXT    NOT NULL,
	run_id   TEXT    NOT NULL PRIMARY KEY,
	noted_at INTEGER NOT NULL,
	approval TEXT,
	tally    TEXT    NOT NULL,
	UNIQUE (tenant, source, approval)
);
CREATE INDEX adsync_ledger_recent ON adsync_ledger (tenant, source, noted_at)`

func (h *host) ledger() *sqlstore.Ledger {
	h.t.Helper()
	l, err := sqlstore.NewLedger(h.db, sqlstore.SQLite, "adsync_ledger")
	require.NoError(h.t, err)
	return l
}

func TestLedger_KeepsRuns(t *testing.T) {
	l := newHost(t, peopleTable(), ledgerTable).ledger()
	ago := time.Now().Add(-time.Hour)
	note := func(l *sqlstore.Ledger, source, run string, used *adsync.Approval, removed ...string) error {
		return l.Note(t.Context(), source, run, adsync.Tally{Removed: removed}, used)
	}
	recent := func(l *sqlstore.Ledger, source string, since time.Time) []string {
		all, err := l.Recent(t.Context(), source, since)
		require.NoError(t, err)
		return all.Removed
	}
	require.NoError(t, note(l, "ad", "one", nil, "1", "2"))
	require.NoError(t, note(l, "ad", "two", nil, "2", "3"))
	assert.Equal(t, []string{"1", "2", "3"}, recent(l, "ad", ago))
	require.NoError(t, note(l, "ad", "two", nil, "2"))
	assert.Equal(t, []string{"1", "2"}, recent(l, "ad", ago), "the second note of a run takes the place of its first")
	assert.Empty(t, recent(l, "ad", time.Now().Add(time.Hour)))
	assert.Empty(t, recent(l, "other", ago))
	assert.Empty(t, recent(l.For("tenant"), "ad", ago))

	approval := &adsync.Approval{Digest: "ab"}
	require.NoError(t, note(l, "ad", "three", approval))
	require.NoError(t, note(l, "ad", "three", approval), "by the same run")
	require.ErrorIs(t, note(l, "ad", "four", approval, "9"), adsync.ErrUsed)
	assert.NotContains(t, recent(l, "ad", ago), "9")
	require.NoError(t, note(l, "other", "four", approval), "another source's is another plan's")
	require.NoError(t, note(l.For("tenant"), "ad", "five", approval))
	require.NoError(t, note(l, "ad", "three", nil), "nothing was written")
	require.NoError(t, note(l, "ad", "six", approval))
}

// A sync whose every run is within the limits is stopped by what the table remembers, also
// by another process, and after a day goes on.
func TestLedger_StopsADrip(t *testing.T) {
	h := newHost(t, peopleTable(), people, ledgerTable)
	const users = 40
	dir := make(adsync.StaticDirectory, users)
	for i := range dir {
		dir[i] = adsync.Entry{ObjectID: objectID(i + 1), Profile: person(i+1, fmt.Sprint("user", i)).Profile}
	}
	sync := func() error {
		s, err := adsync.New(dir, h, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true}, Ledger: h.ledger()})
		require.NoError(t, err)
		report, err := s.Sync(t.Context())
		if err == nil {
			require.NoError(t, report.Err())
		}
		return err
	}
	require.NoError(t, sync())
	require.Equal(t, "0", h.text("SELECT count(*) FROM adsync_ledger"), "new users are nobody's loss")
	for i := range 4 {
		dir[i].State = adsync.StateDeleted
	}
	require.NoError(t, sync())
	dir[4].State = adsync.StateDeleted
	err := sync()
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	require.ErrorContains(t, err, "removes 1 of 36 managed users, after 4 others within 24h0m0s")
	h.exec("UPDATE adsync_ledger SET noted_at = noted_at - 86401")
	require.NoError(t, sync())
	assert.Equal(t, "35", h.text("SELECT count(*) FROM people"))
}

func TestLedger_WithoutItsTableWritesNothing(t *testing.T) {
	h := newHost(t, peopleTable(), people)
	h.add("ann")
	s, err := adsync.New(adsync.StaticDirectory{{ObjectID: objectID(1), State: adsync.StateDeleted}}, h,
		&adsync.Options{Rules: adsync.Rules{Source: "ad"}, Limits: adsync.Limits{AllowEmpty: true}, Ledger: h.ledger()})
	require.NoError(t, err)
	_, err = s.Sync(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorContains(t, err, "cannot read the ledger in the table adsync_ledger")
	require.ErrorContains(t, err, "no such table")
	assert.Len(t, h.users(), 1)
}

// A file that another connection keeps busy is waited for.
func TestLedger_WaitsForABusyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sql.Open("sqlite", "file:"+file)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ledgerTable)
	require.NoError(t, err)
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	l, err := sqlstore.NewLedger(db, sqlstore.SQLite, "adsync_ledger")
	require.NoError(t, err)
	noted := make(chan error, 1)
	go func() { noted <- l.Note(t.Context(), "ad", "one", adsync.Tally{Removed: []string{"1"}}, nil) }()
	time.Sleep(20 * time.Millisecond)
	_, err = other.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-noted)
}
