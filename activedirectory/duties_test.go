package activedirectory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// requireDuties holds the directory to its duties, and each of its sessions by itself.
func requireDuties(t *testing.T, d *Directory) {
	t.Helper()
	require.NoError(t, adsynctest.CheckDirectory(t.Context(), d))
	require.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(d)))
	var sessions []adsync.Directory
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, adsynctest.CheckDirectory(t.Context(), session))
		require.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(session)))
		sessions = append(sessions, session)
	}
	require.NotEmpty(t, sessions)
}

// With roles, and with several controllers of which one knows what the others do not: that
// somebody was disabled, and that somebody has left a group.
func TestDirectory_KeepsTheDutiesOfItsPowers(t *testing.T) {
	d := newRoleDomain(t, 3, 5)
	requireDuties(t, d.directory(nil))
	d.leave(d.editors, d.people[1], 0, 1, 2)
	for _, dc := range d.controllers {
		require.NoError(t, dc.Move(d.people[2], "CN=Users,"+dc.BaseDN()))
		require.NoError(t, dc.Delete(d.people[3]))
	}
	requireDuties(t, d.directory(nil))
	for _, other := range d.controllers[1:] {
		require.NoError(t, other.Disable(d.people[0]))
	}
	for session, err := range d.directory(nil).Sessions(t.Context()) {
		require.NoError(t, err)
		found, err := collect(session.(adsync.Confirmer).Confirm(t.Context(), []adsync.ObjectID{adsync.ObjectID(d.people[0])}))
		require.NoError(t, err)
		require.Equal(t, adsync.StateDisputed, found[0].State)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), session))
		break
	}
}

// Where memberships may end by themselves, a reading tells who has each role.
func TestDirectory_KeepsTheDutiesOfMembers(t *testing.T) {
	d := newRoleDomain(t, 1, 3)
	d.controllers[0].TimeMembers()
	dir := d.directory(nil)
	var mark adsync.DirectoryMark
	for session, err := range dir.Sessions(t.Context()) {
		require.NoError(t, err)
		reading, err := session.(adsync.Changes).Reading(t.Context())
		require.NoError(t, err)
		_, err = collect(session.Entries(t.Context()))
		require.NoError(t, err)
		mark, err = reading.Mark(t.Context())
		require.NoError(t, err)
		reading, err = session.(adsync.Changes).Reading(t.Context())
		require.NoError(t, err)
		_, full, err := reading.Since(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, adsync.GroupsChanged, full)
	}
	requireDuties(t, dir)
}

// A controller that cannot tell what has changed.
func TestDirectory_KeepsItsDutiesWithoutTombstones(t *testing.T) {
	c := newCorp(t, 1, 3)
	require.NoError(t, c.controllers[0].RevokeTombstones(corpUser))
	requireDuties(t, c.directory(t, nil))
}
