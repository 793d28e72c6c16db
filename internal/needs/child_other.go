//go:build !linux

package needs

import "syscall"

// childAttributes keep the signals of a terminal from a process of the test.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
