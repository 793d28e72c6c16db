// Package terminal tells whether a person sits at the other end of a stream.
//
// In: a stream of the process. Out: whether it is a terminal.
package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// Is reports whether a stream is a terminal. What is no file is none, and neither is the null device.
func Is(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	is := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) // Only a terminal has a size.
		is = err == nil
	})
	return err == nil && is
}
