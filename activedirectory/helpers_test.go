package activedirectory

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

func dirID(n byte) adsync.ObjectID { return adsync.ObjectID{15: n} }

// gather reads a sequence by hand and fails the test if it goes on after an error.
func gather(t *testing.T, sequence iter.Seq2[adsync.Entry, error]) (entries []adsync.Entry, err error) {
	t.Helper()
	sequence(func(e adsync.Entry, failure error) bool {
		require.NoError(t, err, "the sequence went on after its error")
		if failure != nil {
			err = failure
			assert.Equal(t, adsync.Entry{}, e)
			return true
		}
		entries = append(entries, e)
		return true
	})
	return entries, err
}

func collect(sequence iter.Seq2[adsync.Entry, error]) (entries []adsync.Entry, err error) {
	for e, err := range sequence {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// usersOf reads the whole store.
func usersOf(t *testing.T, store adsync.UserStore) []adsync.User {
	t.Helper()
	var users []adsync.User
	for u, err := range store.Users(t.Context()) {
		require.NoError(t, err)
		users = append(users, u)
	}
	return users
}

// controllerOf is the first controller, open until the test ends.
func (d *Directory) controllerOf(t *testing.T) *ldapread.Controller {
	t.Helper()
	c := ldapread.NewController(&d.reader, d.servers[0])
	t.Cleanup(c.Close)
	return c
}
