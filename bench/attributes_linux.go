package main

import "syscall"

// childAttributes makes the kernel kill a child when the thread that started it ends, and keeps the terminal's Ctrl-C from it,
// which this process turns into an orderly end.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
