package ldapread

import "syscall"

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
