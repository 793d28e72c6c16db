package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// diffOptions are what `gatehouse diff` is told.
type diffOptions struct {
	env    surroundings
	daemon daemon
	format *choice
	xds    bool
}

// newDiff returns `gatehouse diff`.
func newDiff(env surroundings) *cobra.Command {
	o := diffOptions{env: env}
	c := &cobra.Command{
		Use:   "diff REV [REV]",
		Short: "Tell what changed from one entry of the history to another",
		Long: `Tells what changes from one entry of the history to another, or to what is live: by objects
and their fields, or with --xds by the resources that Envoys get, line by line.
Exit codes: 0 nothing differs, 2 something does, 1 it could not be told.`,
		Example: `  gatehouse diff 41 42
  gatehouse diff 41 --xds`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("diff takes one or two numbers of the history: \"gatehouse history\" tells them")
			}
			return nil
		},
		ValidArgsFunction: completeRevs(env, 2),
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.Flags().BoolVar(&o.xds, "xds", false, "compare the resources that Envoys get")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) }
	return c
}

func (o *diffOptions) run(ctx context.Context, args []string) error {
	from, err := parseRev(args[0])
	if err != nil {
		return err
	}
	var to int64
	if len(args) > 1 {
		if to, err = parseRev(args[1]); err != nil {
			return err
		}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	found, err := client.Compare(ctx, from, to)
	if err != nil {
		return away(err)
	}
	differs := len(found.Changes) > 0
	if o.xds {
		differs = slices.ContainsFunc(found.Fleets, func(f admin.FleetChange) bool { return len(f.Resources) > 0 })
	}
	switch {
	case o.format.value != "table":
		err = o.format.write(o.env.stdout, found, nil)
	case o.xds:
		o.resources(&found)
	default:
		printer := planPrinter{w: o.env.stdout, paint: o.env.paintFor(o.env.stdout)}
		printer.changes(found.Changes)
	}
	switch {
	case err != nil:
		return err
	case !differs:
		fmt.Fprintf(o.env.stderr, "nothing differs from entry %d to entry %d\n", found.From, found.To)
		return nil
	case !o.xds:
		fmt.Fprintf(o.env.stderr, "from entry %d to entry %d: %s\n", found.From, found.To, summary(found.Changes))
	}
	return changesError{}
}

// resources prints what becomes of each Envoy resource, line by line.
func (o *diffOptions) resources(found *admin.Comparison) {
	printer := planPrinter{w: o.env.stdout, paint: o.env.paintFor(o.env.stdout)}
	first := true
	for _, f := range found.Fleets {
		for _, r := range f.Resources {
			if !first {
				printer.line("")
			}
			first = false
			printer.line("%s %s", printer.paint.kind(r.Kind, string(r.Kind)), printer.paint.with(bold, fmt.Sprintf("%s %s of fleet %s", r.Type, r.Name, f.Fleet)))
			printer.lines(lineChanges(textLines(r.Before), textLines(r.After)))
		}
	}
}

func textLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// lines prints a text with what changes in it, and some lines around that.
func (p *planPrinter) lines(all []lineChange) {
	const around = 3
	skipped := false
	for i, l := range all {
		near := slices.ContainsFunc(all[max(0, i-around):min(len(all), i+around+1)], func(l lineChange) bool { return l.kind != "" })
		switch {
		case !near:
			if !skipped {
				p.line("  ...")
			}
			skipped = true
			continue
		case l.kind == gateway.Deleted:
			p.line("%s", p.paint.kind(l.kind, "- "+printable(l.text)))
		case l.kind == gateway.Added:
			p.line("%s", p.paint.kind(l.kind, "+ "+printable(l.text)))
		default:
			p.line("  %s", printable(l.text))
		}
		skipped = false
	}
}
