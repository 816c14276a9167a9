package ldapread

import (
	"testing"
	"time"

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
