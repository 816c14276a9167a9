package activedirectory

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// What a plan by mark may be late with.

// Who goes out of sight by itself leaves no trace: the notice may be late, and the full
// plan says how much was.
func TestSince_IsLateWithUnprovenNoticesAlone(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.sync()
	require.NoError(t, b.dc.Hide(since, b.dc.DN(ids[1])))
	late := b.sync()
	require.Empty(t, late.Plan.Reading.Full)
	assert.Empty(t, late.Plan.Changes)
	b.mark.Full = b.mark.Full.Add(-48 * time.Hour)
	full := b.sync()
	require.Len(t, full.Plan.Changes, 1)
	assert.Equal(t, adsync.ReasonUnproven, full.Plan.Changes[0].Reason)
	assert.Equal(t, 1, full.Plan.Reading.Late)
	assert.Zero(t, full.Plan.Reading.LateWrites)
	again := b.sync()
	require.Empty(t, again.Plan.Reading.Full)
	assert.Equal(t, full.Plan.Changes, again.Plan.Changes, "looked up each time from now on")
	require.NoError(t, b.dc.Unhide(since))
	require.NoError(t, b.dc.SetAttribute(ids[1], "mail", "new@x.test"))
	assert.Equal(t, 1, b.follows().Counts().Modified)
}

// Who loses the right to read the number of one account, by an entry at that account, does
// not see that either: the search for numbers does not find it. The full plan says so, and
// from then on there is no other.
func TestSince_IsLateWithAnAccountWhoseNumberIsHidden(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.sync()
	require.NoError(t, b.dc.SetAttribute(b.dc.ID(b.people), "description", "so that the next is none of the latest"))
	for i := range mostLatest {
		_, err := b.dc.AddUser(fakead.User{Username: "other" + strconv.Itoa(i)})
		require.NoError(t, err)
	}
	b.sync()
	require.NoError(t, b.dc.Deny(since, b.dc.DN(ids[0]), "uSNChanged"))
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "9"))
	late := b.sync()
	require.Empty(t, late.Plan.Reading.Full)
	assert.Empty(t, late.Plan.Changes)
	b.mark.Full = b.mark.Full.Add(-48 * time.Hour)
	full := b.sync()
	assert.Equal(t, 1, full.Counts().Modified)
	assert.Equal(t, []int{1, 1}, []int{full.Plan.Reading.Late, full.Plan.Reading.LateWrites})
	var printed strings.Builder
	_, err := full.Plan.WriteTo(&printed)
	require.NoError(t, err)
	assert.Contains(t, printed.String(), "Of 1 users, plans that read only what has changed had not found what this one says, which writes 1 of them.")
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "10"))
	assert.Equal(t, "an account shows no uSNChanged, so its changes would not be noticed", b.sync().Plan.Reading.Full)
}

// A controller that is put back without its knowing gives the same numbers once more. Where
// only an account that was out of sight had them, and others have higher ones by now, nothing
// that is in sight tells of it: the account is late until the next full plan. Had anything in
// sight changed after it, that would show.
func TestSince_IsLateWithAnAccountThatARollBackShows(t *testing.T) {
	for name, tt := range map[string]struct {
		seen bool
		full string
	}{
		"only what was out of sight is undone": {},
		"something in sight is undone":         {seen: true, full: "the controller was put back from an old copy"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.opts.Rules.Import = true
			ids := b.add("p1", "p2")
			b.sync() // which notes a logon
			shown, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: "shown", Email: "shown@x.test"})
			require.NoError(t, err)
			require.NoError(t, b.dc.SetAttribute(ids[1], "telephoneNumber", "7"))
			b.kept = b.dc.Snapshot()
			require.NoError(t, b.dc.Hide(since, b.dc.DN(shown)))
			if tt.seen {
				require.NoError(t, b.dc.SetAttribute(ids[1], "telephoneNumber", "8"))
			}
			b.mark = nil
			b.sync()
			b.dc.RollBack(b.kept)
			for _, n := range []string{"2", "3", "4"} {
				require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", n))
			}
			next := b.sync()
			require.Equal(t, tt.full, next.Plan.Reading.Full)
			if tt.seen {
				assert.Equal(t, adsync.Counts{Created: 1, Modified: 2}, next.Counts())
				return
			}
			assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 1}, next.Counts())
			b.mark.Full = b.mark.Full.Add(-48 * time.Hour)
			full := b.sync()
			assert.Equal(t, 1, full.Counts().Created)
			assert.Equal(t, []int{1, 1}, []int{full.Plan.Reading.Late, full.Plan.Reading.LateWrites})
		})
	}
}
