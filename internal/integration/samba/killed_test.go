//go:build linux

package samba

import (
	"testing"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func TestController_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return Start(t).dir })
}
