//go:build !linux

package main

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from a child, which this process turns into an orderly end.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
