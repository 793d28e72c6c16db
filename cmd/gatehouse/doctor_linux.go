package main

import "golang.org/x/sys/unix"

// clock asks the kernel whether somebody keeps the clock right.
func (o *doctorOptions) clock() {
	state := unix.Timex{}
	if _, err := unix.Adjtimex(&state); err != nil {
		o.note("clock", worth, "the kernel does not tell: "+err.Error(), "see to it that a time service runs: tokens and certificates are judged by the clock")
		return
	}
	if state.Status&unix.STA_UNSYNC != 0 {
		o.note("clock", worth, "nothing keeps it right", "run a time service: tokens and certificates are judged by the clock")
		return
	}
	o.fine("clock", "it is kept right")
}

// inMemory reports a file system that a restart of the machine empties.
func inMemory(fsys *unix.Statfs_t) bool {
	return fsys.Type == unix.TMPFS_MAGIC || fsys.Type == unix.RAMFS_MAGIC
}
