package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/program"
)

// How often and for how long each subject is measured.
type pace struct {
	turns int
	calls time.Duration // One turn of a gRPC server.
	wrk   time.Duration // One turn through an Envoy; whole seconds, as wrk counts.
	loads int           // How often 5,000 routes are loaded.
	// changes is how often a route is changed among few and among many others.
	changes int
}

// bench is one run: what it was told, the parts it needs, and the table that it fills.
type bench struct {
	options
	pace

	envoy    string // The binary.
	dir      string // For documents, sockets and sources; removed in the end.
	progress io.Writer
	log      *slog.Logger
	table    table
}

func newBench(o options, progress io.Writer) (*bench, error) {
	binary, err := envoy.Find(os.LookupEnv, o.root)
	if err != nil {
		return nil, err
	}
	// Sockets lie in it, whose paths must be short.
	dir, err := os.MkdirTemp("", "ghb")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	b := &bench{
		options: o, envoy: binary, dir: dir, progress: progress,
		log:  slog.New(slog.NewTextHandler(progress, &slog.HandlerOptions{Level: slog.LevelError})),
		pace: pace{turns: 5, calls: time.Second, wrk: 2 * time.Second, loads: 5, changes: 100},
	}
	if o.short {
		b.pace = pace{turns: 3, calls: 500 * time.Millisecond, wrk: time.Second, loads: 1, changes: 20}
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o750); err != nil {
			return nil, fmt.Errorf("make the directory of profiles: %w", err)
		}
	}
	b.table.machine = machine()
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) } // A leftover in the system's temporary directory does no harm.

func (b *bench) note(format string, args ...any) {
	fmt.Fprintf(b.progress, format+"\n", args...)
}

// subdir makes a directory of this run.
func (b *bench) subdir(name string) (string, error) {
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	return path, nil
}

// wrkBinary returns the path of wrk.
func (b *bench) wrkBinary() (string, error) {
	path, err := program.Find("wrk", "GATEHOUSE_WRK", os.LookupEnv, b.root)
	if err != nil {
		return "", fmt.Errorf("%w; Debian and Ubuntu have it: apt-get install wrk; or leave the steps envoy and routes out", err)
	}
	return path, nil
}

// profiled has a child write a CPU profile while do runs, where profiles were asked for.
func (b *bench) profiled(c *child, name string, do func() error) error {
	if b.profile == "" {
		return do()
	}
	path, err := filepath.Abs(filepath.Join(b.profile, name+".pprof"))
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if _, err := c.ask("profile " + path); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err = c.ask("profile")
	return err
}

// startEnvoy starts an Envoy whose bootstrap is prepared, and waits until it serves. An Envoy that does not is returned too: it
// is to be stopped.
func (b *bench) startEnvoy(ctx context.Context, s envoy.Settings) (*envoy.Child, error) {
	child, err := envoy.Launch(ctx, envoy.Start{
		Binary: b.envoy, Bootstrap: s.BootstrapFile(), Admin: s.AdminSocket(), Concurrency: 1, LogLevel: "error", Log: b.log,
	})
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := child.WaitReady(ready); err != nil {
		return child, fmt.Errorf("envoy %s: %w", s.Node, err)
	}
	return child, nil
}

// startLimit bounds how long a process may take until it serves.
const startLimit = 30 * time.Second
