package activedirectory

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// now is the time in the domain.
func (b *bed) now() time.Time { return time.Unix(b.clock.Load(), 0).UTC() }

func (b *bed) expires(id fakead.GUID, after time.Duration) adsync.Moment {
	b.t.Helper()
	at := b.now().Add(after)
	require.NoError(b.t, b.dc.SetAttribute(id, "accountExpires", fakead.FileTime(at)))
	return adsync.MomentOf(at)
}

func (b *bed) status(name string) adsync.Status {
	b.t.Helper()
	u, ok := b.store.Get("u-" + name)
	require.True(b.t, ok)
	return u.Status
}

// Time alone expires an account: its number does not move, and a plan from a mark sees it.
func TestExpiredIsDisabled_IsSeenFromAMark(t *testing.T) {
	b := newBed(t)
	ids := b.add("ada", "bob", "cleo")
	b.cfg.ExpiredIsDisabled = true
	b.opts.Rules.OnDisabled = adsync.Deactivate
	at := b.expires(ids[0], 24*time.Hour)
	b.expires(ids[1], 72*time.Hour)
	b.sync()
	usn := b.dc.USN()
	b.clock.Add(25 * 3600)
	report := b.sync()
	assert.Equal(t, usn, b.dc.USN(), "or it is seen by its number")
	require.Empty(t, report.Plan.Reading.Full)
	assert.Equal(t, adsync.Counts{Deactivated: 1, Unchanged: 2}, report.Counts())
	assert.Equal(t, 1, report.Plan.Reading.Looked)
	assert.Equal(t, []adsync.Status{adsync.StatusDeactivated, "", ""},
		[]adsync.Status{b.status("ada"), b.status("bob"), b.status("cleo")})
	assert.NotContains(t, jsonOf(t, report.Plan), "expires", "a plan holds no entry")

	words, err := b.syncer().Explain(t.Context(), "u-ada")
	require.NoError(t, err)
	assert.Contains(t, words[1], "whose time ends at "+at.String()+", disabled")

	b.expires(ids[0], time.Hour) // extended, and that moves the number
	report = b.sync()
	require.Empty(t, report.Plan.Reading.Full)
	assert.Equal(t, adsync.StatusActive, b.status("ada"))
	report = b.sync()
	require.Empty(t, report.Plan.Reading.Full)
	assert.Empty(t, report.Plan.Changes)

	b.clock.Add(-7200)
	assert.Contains(t, b.sync().Plan.Reading.Full, "clock was put back")
	b.cfg.ExpiredIsDisabled = false
	assert.Contains(t, b.sync().Plan.Reading.Full, "configuration is another")
}

// Without the option nothing is read or told of it.
func TestExpiredIsDisabled_IsAskedFor(t *testing.T) {
	b := newBed(t)
	ids := b.add("ada")
	at := b.expires(ids[0], -time.Hour)
	for _, isDisabled := range []bool{false, true} {
		b.cfg.ExpiredIsDisabled = isDisabled
		dir, err := New(b.cfg)
		require.NoError(t, err)
		b.dc.ForgetRequests()
		entries, err := gather(t, dir.Entries(t.Context()))
		require.NoError(t, err)
		require.Len(t, entries, 1)
		assert.Equal(t, isDisabled, entries[0].Disabled)
		for _, r := range b.dc.Requests() {
			if r.DN == b.people {
				assert.Equal(t, isDisabled, slices.Contains(r.Attributes, "accountExpires"))
			}
		}
		if isDisabled {
			assert.Equal(t, at, entries[0].Expires)
			assert.Contains(t, jsonOf(t, entries[0]), `"expires":"`+at.String()+`"`)
		} else {
			assert.NotContains(t, jsonOf(t, entries[0]), "expires")
		}
	}
}

// What cannot be read is neither false nor true.
func TestExpiredIsDisabled_UnreadableIsUnknown(t *testing.T) {
	b := newBed(t)
	ids := b.add("ada", "bob")
	require.NoError(t, b.dc.Disable(ids[1]))
	require.NoError(t, b.dc.Withhold(since, "accountExpires"))
	b.cfg.ExpiredIsDisabled = true
	b.opts.Rules.OnDisabled = adsync.Remove
	plan := b.plan()
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, "u-bob", plan.Changes[0].UserID, "whose flag says it")
	assert.NotEmpty(t, plan.Warnings)
	dir, err := New(b.cfg)
	require.NoError(t, err)
	found, err := gather(t, dir.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(ids[0])}))
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.True(t, found[0].DisabledUnknown && !found[0].Disabled && found[0].Expires == 0)
}

// An extension that another controller does not have yet reactivates nobody.
func TestExpiredIsDisabled_IsConfirmedByOthers(t *testing.T) {
	c := oneDomain(t, 2, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[1].SetAttribute(id, "accountExpires", fakead.FileTime(time.Now().Add(-time.Hour))))
	confirmed := func() adsync.State {
		d := c.directory(t, func(cfg *Config) { cfg.ExpiredIsDisabled = true })
		found, err := collect(d.Confirm(t.Context(), []adsync.ObjectID{adsync.ObjectID(id)}))
		require.NoError(t, err)
		require.Len(t, found, 1)
		return found[0].State
	}
	assert.Equal(t, adsync.StateDisputed, confirmed())
	require.NoError(t, c.controllers[1].SetAttribute(id, "accountExpires", "0"))
	assert.Equal(t, adsync.StatePresent, confirmed())
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
