// Command bench measures what Gatehouse costs: each figure against a floor that is measured in the same run, in turns, so that
// what else the machine is doing strikes both alike.
//
// In: the quickstart, an Envoy, wrk. Out: a table of ratios on the standard output, plain or as Markdown, and progress on the
// standard error. Everything that is put under load runs in a process of its own on this machine, whose CPU time is what is
// counted; all of them end with this one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		os.Exit(serveChild(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		stop()
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1) //nolint:gocritic // stop was called.
	}
}

// Bounds of a whole run: what hangs is ended.
const (
	fullLimit  = 20 * time.Minute
	shortLimit = 3 * time.Minute
)

// options are what a run is told.
type options struct {
	short   bool
	form    string
	steps   string
	write   string
	profile string
	root    string // Of the checkout.
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.short, "short", false, "measure for less than a minute: the figures are coarse")
	flags.StringVar(&o.form, "o", "text", "`form` of the table: text or markdown")
	flags.StringVar(&o.steps, "steps", strings.Join(stepNames(), ","), "what to measure, separated by commas")
	flags.StringVar(&o.write, "write", "", "also put the table into this Markdown `file`, between its markers")
	flags.StringVar(&o.profile, "profile", "", "write CPU profiles of Gatehouse's processes into this `directory`")
	flags.StringVar(&o.root, "root", ".", "`directory` of the checkout")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // The flag set has said why.
	}
	if flags.NArg() > 0 || (o.form != "text" && o.form != "markdown") {
		return errors.New("usage: bench [-short] [-o text|markdown] [-steps LIST] [-write FILE] [-profile DIR]")
	}
	limit := fullLimit
	if o.short {
		limit = shortLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t, err := measure(ctx, o, stderr)
	if stopped := context.Cause(ctx); stopped != nil {
		return fmt.Errorf("stopped before the end: %w", stopped) // Whatever else went wrong followed from that.
	}
	if err != nil {
		return err
	}
	if o.write != "" {
		if err := t.writeInto(o.write); err != nil {
			return err
		}
	}
	fmt.Fprintln(stdout, t.render(o.form))
	return nil
}

// step is one part of the table.
type step struct {
	name    string
	measure func(*bench, context.Context) error
}

func steps() []step {
	return []step{
		{"check", (*bench).check},
		{"limit", (*bench).limit},
		{"envoy", (*bench).throughEnvoy},
		{"routes", (*bench).routes},
		{"load", (*bench).load},
		{"fleet", (*bench).fleet},
		{"change", (*bench).change},
		{"apply", (*bench).apply},
		{"store", (*bench).storing},
		{"redis", (*bench).sharedLimits},
		{"peer", (*bench).sharedCalls},
		{"attack", (*bench).attacked},
		{"keys", (*bench).apiKeys},
	}
}

func stepNames() []string {
	var names []string
	for _, s := range steps() {
		names = append(names, s.name)
	}
	return names
}

// measure takes the steps that were asked for, one after the other.
func measure(ctx context.Context, o options, progress io.Writer) (*table, error) {
	wanted := strings.Split(o.steps, ",")
	for _, name := range wanted {
		if !slices.Contains(stepNames(), name) {
			return nil, fmt.Errorf("there is no step %q: name some of %s", name, strings.Join(stepNames(), ", "))
		}
	}
	b, err := newBench(o, progress)
	if err != nil {
		return nil, err
	}
	defer b.close()
	for _, s := range steps() {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		start := time.Now()
		if err := s.measure(b, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		b.note("%s took %s", s.name, time.Since(start).Round(time.Second))
	}
	return &b.table, nil
}
