//go:build linux

package databases

import (
	"testing"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func TestPostgreSQLEndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return startPostgreSQL(t).dir })
}

func TestMariaDBEndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return startMariaDB(t).dir })
}
