package hosttest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// imported is a user of the host, linked to entry n of the directory.
func imported(n byte, username string) adsync.User {
	e := entry(n, username)
	return adsync.User{ID: fmt.Sprint(n), ObjectID: e.ObjectID, Source: "corp", Profile: e.Profile}
}

func entry(n byte, username string) adsync.Entry {
	return adsync.Entry{
		ObjectID: adsync.ObjectID{15: n},
		Profile:  adsync.Profile{Username: username, Email: username + "@corp.example"},
	}
}

// A StaticDirectory is a directory as a literal. Each entry has a State; who is
// not in it at all is Deleted.
func TestSync_DeletesLeavers(t *testing.T) {
	users := adsync.NewMemoryStore(imported(1, "anna"), imported(2, "bjorn"), imported(3, "chidi"))
	dir := adsync.StaticDirectory{
		entry(1, "anna"),
		{ObjectID: adsync.ObjectID{15: 2}, State: adsync.StateDeleted},
		{ObjectID: adsync.ObjectID{15: 3}, State: adsync.StateUnproven},
	}

	lines, err := SyncUsers(t.Context(), dir, users)

	require.NoError(t, err)
	assert.Contains(t, lines, "1 user(s) are deleted.")
	_, ok := users.Get("2")
	assert.False(t, ok, "his tombstone was read")
	_, ok = users.Get("3")
	assert.True(t, ok, "an absence proves nothing")
}

// What the host decided by its rules is what its tests hold.
func TestRules(t *testing.T) {
	users := adsync.NewMemoryStore(imported(1, "anna"), imported(2, "bjorn"))
	anna, bjorn := entry(1, "anna"), entry(2, "bjorn")
	anna.Email = "Anna.Nowak@CORP.example"
	bjorn.Disabled = true

	_, err := SyncUsers(t.Context(), adsync.StaticDirectory{anna, bjorn}, users)

	require.NoError(t, err)
	u, _ := users.Get("1")
	assert.Equal(t, "anna.nowak@corp.example", u.Email)
	u, _ = users.Get("2")
	assert.Equal(t, adsync.StatusDeactivated, u.Status)
}

// A Listing is for sources that can only list. Its word is final: who is missing
// has left.
func TestListing(t *testing.T) {
	users := adsync.NewMemoryStore(imported(1, "anna"), imported(2, "bjorn"))
	dir := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] {
		return func(yield func(adsync.Entry, error) bool) {
			yield(entry(1, "anna"), nil)
		}
	})

	lines, err := SyncUsers(t.Context(), dir, users)

	require.NoError(t, err)
	assert.Contains(t, lines, "1 user(s) are deleted.")
}

// errDown is what the failing directory below says.
var errDown = errors.New("the line is down")

// down is a directory that fails after the first entry.
type down struct{}

func (down) Entries(context.Context) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		if yield(entry(1, "renamed"), nil) {
			yield(adsync.Entry{}, errDown)
		}
	}
}

func (d down) Find(ctx context.Context, _ []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.Entries(ctx)
}

func TestSync_DoesNothingWhileTheDirectoryIsDown(t *testing.T) {
	anna := imported(1, "anna")
	users := adsync.NewMemoryStore(anna, imported(2, "bjorn"))

	lines, err := SyncUsers(t.Context(), down{}, users)

	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.ErrorIs(t, err, errDown)
	assert.Equal(t, []string{"Synchronizing users with Active Directory was not possible. Nothing was changed."}, lines)
	u, _ := users.Get("1")
	assert.Equal(t, anna, u)
}

func TestSync_RefusesTooManyLeavers(t *testing.T) {
	users := adsync.NewMemoryStore(imported(1, "anna"), imported(2, "bjorn"), imported(3, "chidi"))

	_, err := SyncUsers(t.Context(), adsync.StaticDirectory{entry(1, "anna")}, users)

	var limit *adsync.LimitError
	require.ErrorAs(t, err, &limit)
	assert.Equal(t, 2, limit.Count)
	_, ok := users.Get("2")
	assert.True(t, ok)
}

// A directory of the host's own is proven by CheckDirectory; ours are.
func TestFakes_KeepTheirDuties(t *testing.T) {
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.StaticDirectory{entry(1, "anna")}))
	assert.Error(t, adsynctest.CheckDirectory(t.Context(), down{}))
}
