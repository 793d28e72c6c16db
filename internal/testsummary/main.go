// Command testsummary turns the events of `go test -json` into what a person wants to read after a test run.
//
// In: events on the standard input, of one run or of several, one after the other. Out: on the standard output one line for
// each package, the output of what failed, the reason of what was skipped, and as the very last line
// "N passed, N failed" or "N passed, N failed, N skipped". With -o FILE that line goes to the file as well. The exit code
// is 1 when anything failed, did not end, did not build, or when nothing ran at all.
//
// With -again N the output is only which tests are worth a second run, at most N: a package and a pattern on each line. With
// -second FILE that second run's events are in the file, and what passed there counts as passed and is named.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	file := flag.String("o", "", "also write the summary line to this `file`")
	again := flag.Int("again", 0, "only list the tests to run again, at most this `number`")
	second := flag.String("second", "", "the events of those that ran again, in this `file`")
	flag.Parse()
	if *again > 0 {
		list(*again)
		return
	}
	summary, err := Read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stdout, "testsummary:", err)
	}
	if *second != "" {
		if forgiveErr := forgive(summary, *second); forgiveErr != nil {
			fmt.Fprintln(os.Stderr, "testsummary:", forgiveErr)
		}
	}
	summary.Report(os.Stdout)
	counts := summary.Counts()
	if *file != "" {
		if err := os.WriteFile(*file, []byte(counts.String()+"\n"), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "testsummary:", err)
			counts.Failed++
		}
	}
	fmt.Fprintln(os.Stdout, counts)
	if counts.Failed > 0 {
		os.Exit(1)
	}
}

// list prints what is worth a second run.
func list(most int) {
	summary, err := Read(os.Stdin, io.Discard)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	for _, line := range summary.Again(most) {
		fmt.Fprintln(os.Stdout, line)
	}
}

// forgive reads the events of a second run.
func forgive(summary *Summary, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	second, err := Read(file, os.Stdout)
	if err != nil {
		return err
	}
	summary.Forgive(second)
	return nil
}
