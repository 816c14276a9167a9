package ldapread

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestTime_IsTheControllersOwn(t *testing.T) {
	there := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	d := newDomain(t, fakead.Config{Now: func() time.Time { return there }})
	c := d.open(d.config())
	now, tombstones, err := c.Time(t.Context())
	require.NoError(t, err)
	assert.Equal(t, there, now)
	assert.Equal(t, 180*24*time.Hour, tombstones)
	there = there.Add(-time.Hour)
	now, _, err = c.Time(t.Context())
	require.NoError(t, err)
	assert.Equal(t, there, now, "read anew each time, over one connection")
}

// A server that shows no rootDSE is an error, and one that does not tell the time is not.
func TestTime_OfAServerThatDoesNotTell(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	c := d.open(d.config())
	_, err := list(t.Context(), c)
	require.NoError(t, err)
	cancel := d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"currentTime"}})
	now, tombstones, err := c.Time(t.Context())
	require.NoError(t, err)
	assert.True(t, now.IsZero())
	assert.Equal(t, 180*24*time.Hour, tombstones)
	cancel()
	d.Order(fakead.Fault{Kind: fakead.FaultHide})
	_, tombstones, err = c.Time(t.Context())
	assert.ErrorContains(t, err, "reading the time: there is no rootDSE to be seen; is this a domain controller?")
	assert.Zero(t, tombstones)
}

// Tombstones are those of a domain controller.
func TestTime_OfAnotherServer(t *testing.T) {
	cfg := testConfig()
	root := map[string][]string{"defaultNamingContext": {"DC=corp"}, "currentTime": {"20261102090000.0Z"}}
	c := newLiarWith(t, cfg, root, func(question) []*ldap.Entry { return nil })
	now, tombstones, err := c.Time(t.Context())
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), now)
	assert.Zero(t, tombstones)
}
