package ldapread

import (
	"syscall"
	"time"
)

// canTellFrom is whether there is tellFrom.
const canTellFrom = true

// tellFrom has the kernel tell of what there is to read only from so many bytes on
// (SO_RCVLOWAT, socket(7)).
func tellFrom(raw syscall.RawConn, bytes int) (err error) {
	refused := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	if refused != nil {
		return refused
	}
	return err
}

// pause is a pause of less than a millisecond. One of Go's own takes a whole millisecond
// where there is nothing else to do, because its poller counts in those. It may end early.
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&left, nil)
}
