package customstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// newTable makes a table with these users.
func newTable(t *testing.T, name string, seed []adsync.User) (Table, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), name)+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return Table{}, err
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(layout); err != nil {
		return Table{}, err
	}
	for _, u := range seed {
		_, err := db.Exec(`INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			u.ID, guid(u.ObjectID), u.Source, null(u.Username), u.FirstName, u.LastName, null(u.Email), u.Phone, u.Status, u.Protected)
		if err != nil {
			return Table{}, err
		}
	}
	return Table{db}, nil
}

func TestTable_KeepsEveryDuty(t *testing.T) {
	made := 0
	err := adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		made++
		return newTable(t, fmt.Sprint(made), seed)
	})
	require.NoError(t, err)
	assert.Greater(t, made, 5)
}

// A commit that was not answered is neither done nor undone.
func TestTable_SaysWhatIsUnknown(t *testing.T) {
	assert.ErrorIs(t, committed(t.Context(), errors.New("connection lost")), adsync.ErrUnknown)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{sql.ErrTxDone, context.Canceled} {
		got := committed(ended, err)
		assert.ErrorIs(t, got, context.Canceled)
		assert.NotErrorIs(t, got, adsync.ErrUnknown)
	}
}
