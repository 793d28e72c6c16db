package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/server"
)

// olderLogs is how many older decision logs stay beside the one that is written.
const olderLogs = 4

// decisionFlags say where the daemon writes decisions.
type decisionFlags struct {
	lines   string
	size    bytesFlag
	journal bytesFlag
}

func (f *decisionFlags) add(c *cobra.Command) {
	f.size, f.journal = 100<<20, 256<<20
	flags := c.Flags()
	flags.StringVar(&f.lines, "decision-log", "", "`FILE` to which decisions are written as JSON lines, or - for the standard output (default: none)")
	orEnvironment(flags, "decision-log", "GATEHOUSE_DECISION_LOG")
	flags.Var(&f.size, "decision-log-size", "`SIZE` at which that file is turned over; four older ones stay")
	orEnvironment(flags, "decision-log-size", "GATEHOUSE_DECISION_LOG_SIZE")
	flags.Var(&f.journal, "decision-journal", "`SIZE` of the decisions kept in --state, by which \"gatehouse why\" answers; 0: none are kept")
	orEnvironment(flags, "decision-journal", "GATEHOUSE_DECISION_JOURNAL")
}

// open opens what the flags name.
func (f *decisionFlags) open(stdout io.Writer) (server.DecisionLog, error) {
	out := server.DecisionLog{Journal: int64(f.journal)}
	if out.Journal == 0 {
		out.Journal = -1
	}
	switch {
	case f.lines == "-":
		out.Lines = decisions.Unclosed(stdout)
	case f.lines != "":
		file, err := decisions.OpenFile(f.lines, int64(f.size), olderLogs)
		if err != nil {
			return out, fmt.Errorf("--decision-log: %w", err)
		}
		out.Lines = file
	}
	return out, nil
}

// bytesFlag is a flag that takes a number of bytes, such as 64MiB.
type bytesFlag int64

// String returns the size as it is written.
func (b *bytesFlag) String() string {
	for _, u := range byteUnits() {
		if n := int64(*b); n > 0 && n%u.bytes == 0 && u.bytes > 1 {
			return fmt.Sprint(n/u.bytes, u.name)
		}
	}
	return fmt.Sprint(int64(*b))
}

// Type is shown in help.
func (*bytesFlag) Type() string { return "size" }

// Set takes a number and a unit.
func (b *bytesFlag) Set(text string) error {
	for _, u := range byteUnits() {
		var n int64
		if _, err := fmt.Sscanf(text, "%d"+u.name, &n); err == nil && text == fmt.Sprint(n, u.name) && n >= 0 && n < 1<<40/u.bytes {
			*b = bytesFlag(n * u.bytes)
			return nil
		}
	}
	return fmt.Errorf("write a size such as 64MiB")
}

// byteUnit is a unit of sizes.
type byteUnit struct {
	name  string
	bytes int64
}

func byteUnits() []byteUnit {
	return []byteUnit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}
}
