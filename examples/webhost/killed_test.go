//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func TestPostgreSQL_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string {
		var dir string
		require.NoError(t, startPostgreSQL(t).QueryRowContext(t.Context(), "SHOW unix_socket_directories").Scan(&dir))
		return dir
	})
}

func TestChromium_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string {
		_, dir := launchChromium(t)
		return dir
	})
}
