//go:build linux

package slapd

import (
	"testing"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func TestServer_EndsWithAKilledTest(t *testing.T) {
	reaper.Prove(t, func(t *testing.T) string { return start(t).dir })
}
