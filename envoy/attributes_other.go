//go:build !linux

package envoy

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child, so that it can be drained first. Only Linux can tie its life
// to ours.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
