package databases

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// ledgerTables are the statements that docs/OPERATIONS.md gives for each database. The comment
// of sqlstore.NewLedger gives the same.
func ledgerTables(t *testing.T, dialect sqlstore.Dialect) []string {
	t.Helper()
	at := slices.Index([]sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}, dialect)
	page, err := os.ReadFile("../../../docs/OPERATIONS.md")
	require.NoError(t, err)
	code, err := os.ReadFile("../../../sqlstore/ledger.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```sql\n(CREATE TABLE adsync_ledger.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 3)
	assert.Contains(t, strings.ReplaceAll(string(code), "//\t", ""), blocks[at][1])
	statements := strings.Split(strings.TrimSpace(blocks[at][1]), ";")
	return statements[:len(statements)-1]
}

// testLedger keeps a ledger beside the users, through runs that drip.
func testLedger(t *testing.T, d database) {
	db := d.open(t, append(ledgerTables(t, d.dialect), d.table("people", "id COUNTER, guid TEXT UNIQUE, login TEXT NOT NULL UNIQUE"))...)
	s := newStore(t, db, d.dialect, sqlstore.Table{
		Name: "people", Source: "ad", Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login"},
	})
	ledger, err := sqlstore.NewLedger(db, d.dialect, "adsync_ledger")
	require.NoError(t, err)
	dir := make(adsync.StaticDirectory, 100)
	for i := range dir {
		dir[i] = adsync.Entry{ObjectID: objectID(i + 1), Profile: adsync.Profile{Username: fmt.Sprint("user", i)}}
	}
	syncer, err := adsync.New(dir, s, &adsync.Options{Rules: adsync.Rules{Source: "ad", Import: true}, Ledger: ledger.For("tenant")})
	require.NoError(t, err)
	_, err = syncer.Sync(t.Context())
	require.NoError(t, err)
	leave := func(from, to int) {
		for i := from; i < to; i++ {
			dir[i].State = adsync.StateDeleted
		}
	}
	leave(0, 10)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, 10, report.Counts().Deleted)
	leave(10, 15)
	_, err = syncer.Sync(t.Context())
	var limit *adsync.LimitError
	require.ErrorAs(t, err, &limit)
	assert.Equal(t, []any{"MaxRemovalRatio", 5, 10, 10}, []any{limit.Limit, limit.Count, limit.Recent, limit.Allowed})
	assert.Equal(t, 90, count(t, db, "people"))

	approval := adsync.Approval{Digest: limit.Plan.Digest(), At: time.Now()}
	report, err = syncer.Apply(t.Context(), limit.Plan, approval)
	require.NoError(t, err)
	require.Equal(t, 5, report.Counts().Deleted)
	_, err = syncer.Apply(t.Context(), limit.Plan, approval)
	require.ErrorIs(t, err, adsync.ErrUsed)
	mustExec(t, db, "UPDATE adsync_ledger SET noted_at = noted_at - 86401 WHERE approval IS NULL")
	leave(15, 20)
	_, err = syncer.Sync(t.Context())
	require.NoError(t, err, "what was approved does not count")
	assert.Equal(t, 80, count(t, db, "people"))

	t.Run("many and odd", func(t *testing.T) {
		var many adsync.Tally
		for i := range 20000 { // more than a TEXT of MySQL's holds
			many.Removed = append(many.Removed, fmt.Sprintf("%05d", i))
		}
		for _, odd := range []string{"ad", "AD", "äd", "a'd\\"} {
			require.NoError(t, ledger.For(odd).Note(t.Context(), odd, "many "+odd, many, nil))
			recent, err := ledger.For(odd).Recent(t.Context(), odd, time.Now().Add(-time.Hour))
			require.NoError(t, err)
			assert.Equal(t, many.Removed, recent.Removed)
		}
		recent, err := ledger.For("Ad").Recent(t.Context(), "ad", time.Time{})
		require.NoError(t, err)
		assert.Empty(t, recent.Removed)
	})
	t.Run("at once", func(t *testing.T) {
		used := adsync.Approval{Digest: strings.Repeat("a", 64)}
		const runs = 8
		errs := make([]error, runs)
		var all sync.WaitGroup
		for i := range runs {
			all.Go(func() {
				errs[i] = ledger.Note(t.Context(), "ad", fmt.Sprint("run", i), adsync.Tally{Removed: []string{fmt.Sprint(i)}}, &used)
			})
		}
		all.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
			} else {
				assert.ErrorIs(t, err, adsync.ErrUsed)
			}
		}
		assert.Equal(t, 1, good)
	})
}
