// Command testsummary turns the events of `go test -json` into what a person wants to read after a test run.
//
// In: events on the standard input, of one run or of several, one after the other. Out: on the standard output one line for
// each package, the output of what failed, the reason of what was skipped, and as the very last line
// "N passed, N failed" or "N passed, N failed, N skipped". With -o FILE that line goes to the file as well. The exit code
// is 1 when anything failed, did not end, did not build, or when nothing ran at all.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	file := flag.String("o", "", "also write the summary line to this `file`")
	flag.Parse()
	summary, err := Read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stdout, "testsummary:", err)
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
