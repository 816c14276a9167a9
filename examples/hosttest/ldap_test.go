package hosttest

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/adsynctest"
)

// The whole way, over LDAP: a domain controller in the process of the test, and what
// happens to people in it.
func TestSync_OverLDAP(t *testing.T) {
	dc := adsynctest.NewController(t)
	anna := dc.AddPerson(adsync.Profile{Username: "anna", LastName: "Nowak", Email: "Anna@CORP.example"})
	bjorn := dc.AddPerson(adsync.Profile{Username: "bjorn", Email: "bjorn@corp.example"})
	chidi := dc.AddPerson(adsync.Profile{Username: "chidi", Email: "chidi@corp.example"})
	dir, err := activedirectory.New(activedirectory.Config{
		URLs:   []string{dc.URL()},
		BaseDN: dc.BaseDN(),
		Bind:   activedirectory.SimpleBind(dc.User(), dc.Password()),
		TLS:    &tls.Config{RootCAs: dc.CA()},
	})
	require.NoError(t, err)
	users := adsync.NewMemoryStore(
		adsync.User{ID: "1", ObjectID: anna, Source: "corp", Profile: adsync.Profile{Username: "anna.old"}},
		adsync.User{ID: "2", ObjectID: bjorn, Source: "corp", Profile: adsync.Profile{Username: "bjorn", Email: "bjorn@corp.example"}},
		adsync.User{ID: "3", ObjectID: chidi, Source: "corp", Profile: adsync.Profile{Username: "chidi", Email: "chidi@corp.example"}},
	)

	sync := func() []string {
		lines, err := SyncUsers(t.Context(), dir, users)
		require.NoError(t, err)
		return lines
	}

	dc.Disable(bjorn)
	end := dc.Order(adsynctest.FaultCutListing)
	_, err = SyncUsers(t.Context(), dir, users)
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	end()
	assert.Contains(t, sync(), "1 user(s) are deactivated.")
	u, _ := users.Get("1")
	assert.Equal(t, adsync.Profile{Username: "anna", LastName: "Nowak", Email: "anna@corp.example"}, u.Profile)

	dc.Delete(chidi)
	assert.Contains(t, sync(), "1 user(s) are deleted.")
	_, ok := users.Get("3")
	assert.False(t, ok, "the tombstone was read")
}
