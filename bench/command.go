package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// planByCommand measures what a person waits for: the command that plans 5,000 operations with tokens, policies and limits, when all
// of them are new, when one is changed, and when none is. The floor is the command that says its version, which only starts and ends.
func (b *bench) planByCommand(ctx context.Context) (err error) {
	program := filepath.Join(b.dir, "gatehouse")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/gatehouse") //nolint:gosec // Of this checkout.
	build.Dir = b.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the command: %w: %s", err, out)
	}
	dir, err := b.loadDocuments("planned", false)
	if err != nil {
		return err
	}
	daemon, _, err := b.appliedTo(ctx, "planned.state")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()
	run := func(want int, args ...string) (commanded, error) {
		return commandOf(ctx, want, program, append(args, "--server", daemon.hello.Addresses["admin"])...)
	}
	plans := func(what string, code int, before func(turn int) error) error {
		var whole, client, least []float64
		for turn := range b.loads + 1 {
			if err := before(turn); err != nil {
				return err
			}
			floor, err := commandOf(ctx, 0, program, "version")
			if err != nil {
				return err
			}
			ours, err := run(code, "plan", dir)
			if err != nil {
				return err
			}
			if turn > 0 { // The first warms up.
				whole, client, least = append(whole, inMs(ours.took)), append(client, inMs(ours.cpu)), append(least, inMs(floor.took))
			}
		}
		what = fmt.Sprintf("gatehouse plan of %s operations, %s: ", grouped(loadedAPIs*operationsPerAPI), what)
		b.table.compare(what+"the whole command", "ms", whole, least, target{bound: planTarget, unit: "ms", value: spreadOf(whole).median})
		b.table.compare(what+"of it CPU of the client", "ms", client, least, target{})
		return nil
	}
	nothing := func(int) error { return nil }
	if err := plans("all new", 2, nothing); err != nil {
		return err
	}
	if _, err := run(0, "apply", dir); err != nil {
		return err
	}
	if err := plans("one changed", 2, func(turn int) error {
		return writeFile(filepath.Join(dir, apiFile(0)), apiDocument(0, false, 2000+turn))
	}); err != nil {
		return err
	}
	if _, err := run(0, "apply", dir); err != nil {
		return err
	}
	return plans("none changed", 0, nothing)
}

// commanded is what one run of a command took.
type commanded struct{ took, cpu time.Duration }

// commandOf runs a command whose exit code is known. What it says goes nowhere.
func commandOf(ctx context.Context, want int, program string, args ...string) (commanded, error) {
	said, err := os.CreateTemp(filepath.Dir(program), "said")
	if err != nil {
		return commanded{}, err
	}
	defer func() { _ = said.Close() }()             // It goes with the run's directory.
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // Of this checkout.
	c.Stdout, c.Stderr = said, said
	began := time.Now()
	err = c.Run()
	took := time.Since(began)
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return commanded{}, err
	}
	if code := c.ProcessState.ExitCode(); code != want {
		text, _ := os.ReadFile(said.Name()) // It may have said nothing.
		return commanded{}, fmt.Errorf("%s ended with %d, not with %d: %.2000s", args[0], code, want, text)
	}
	return commanded{took: took, cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}, nil
}
