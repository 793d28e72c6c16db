//go:build !linux

package main

import "golang.org/x/sys/unix"

// clock has nobody to ask.
func (o *doctorOptions) clock() {
	o.note("clock", worth, "this system does not tell whether it is kept right", "see to it that a time service runs: tokens and certificates are judged by the clock")
}

// inMemory is not known here.
func inMemory(*unix.Statfs_t) bool { return false }
