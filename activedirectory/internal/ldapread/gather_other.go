//go:build !linux

package ldapread

import (
	"errors"
	"syscall"
	"time"
)

// canTellFrom is false: it was tried on Linux only.
const canTellFrom = false

func tellFrom(syscall.RawConn, int) error { return errors.ErrUnsupported }

func pause(time.Duration) {}
