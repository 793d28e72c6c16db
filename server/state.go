package server

import (
	"fmt"
	"os"
	"syscall"
)

// makeState makes the directory of the sockets where it is missing. One that others may write to is refused: they could put
// sockets of their own in the place of ours, and allow what they like.
func makeState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("everybody may write to %s, and so replace the sockets: choose another directory, or take the right away", dir)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid != 0 && int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to user %d, who may replace the sockets: choose a directory of your own", dir, owner.Uid)
	}
	return nil
}
