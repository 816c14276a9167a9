//go:build linux

package databases

import (
	"testing"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func TestPostgreSQL_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return startPostgreSQL(t).Dir })
}

func TestMariaDB_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return startMariaDB(t).Dir })
}
