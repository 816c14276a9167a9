package activedirectory

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// A further detail of the account's own is followed from a mark. One that names another
// object may change when that does, which the account's number does not show.
func TestSince_FollowsDetailsOfTheAccountsOwn(t *testing.T) {
	b := newBed(t)
	ids := b.add("ada", "boss")
	require.NoError(t, b.dc.SetAttribute(ids[0], "manager", b.dc.DN(ids[1])))
	b.store.Hold(department, manager)
	b.cfg.Attributes = map[adsync.Field]string{department: "department"}
	b.sync()
	require.NoError(t, b.dc.SetAttribute(ids[0], "department", "R&D"))
	assert.Empty(t, b.sync().Plan.Reading.Full)
	now, _ := b.store.Get("u-ada")
	assert.Equal(t, "R&D", now.Get(department))

	b.cfg.References = map[adsync.Field]string{manager: "manager"}
	b.sync()
	now, _ = b.store.Get("u-ada")
	assert.Equal(t, ids[1].String(), now.Get(manager))
	require.NoError(t, b.dc.Delete(ids[1]))
	assert.Contains(t, b.sync().Plan.Reading.Full, "a further detail may change without its account's number")
	now, _ = b.store.Get("u-ada")
	assert.Empty(t, now.Get(manager))
}
