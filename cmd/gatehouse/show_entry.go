package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// showOptions are what `gatehouse show` is told.
type showOptions struct {
	env    surroundings
	daemon daemon
	format *choice
}

// shownEntry is what `gatehouse show -o json` prints.
type shownEntry struct {
	admin.Entry
	Changes []gateway.Change `json:"changes"`
}

// newShow returns `gatehouse show`.
func newShow(env surroundings) *cobra.Command {
	o := showOptions{env: env}
	c := &cobra.Command{
		Use:   "show REV",
		Short: "Tell all about one change: who, when, why, and what it changed",
		Long: `Tells about an entry of the history who made it, when and why, what became of it, and what it
changed to the entry that was live before. REV is a number, as "gatehouse history" tells it,
or live.`,
		Example: `  gatehouse show 42
  gatehouse show live -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("show takes one number of the history: \"gatehouse history\" tells them")
			}
			return nil
		},
		ValidArgsFunction: completeRevs(env, 1),
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) }
	return c
}

func (o *showOptions) run(ctx context.Context, word string) error {
	number, err := parseRev(word)
	if err != nil {
		return err
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	entry, err := client.Entry(ctx, number)
	if err != nil {
		return away(err)
	}
	found := shownEntry{Entry: entry, Changes: []gateway.Change{}}
	if entry.Parent > 0 {
		compared, err := client.Compare(ctx, entry.Parent, entry.Number)
		if err != nil && !errors.Is(err, admin.ErrNotFound) { // What was live before may be kept no more.
			return away(err)
		}
		found.Changes = append(found.Changes, compared.Changes...)
	}
	if o.format.value != "table" {
		return o.format.write(o.env.stdout, found, nil)
	}
	return o.print(&found)
}

func (o *showOptions) print(e *shownEntry) error {
	err := o.format.write(o.env.stdout, e, func(w io.Writer) error {
		line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
		line("entry", "%d, %s%s", e.Number, e.State, because(e.Reason))
		line("content", "%s", e.Content)
		line("author", "%s", dash(e.Author))
		line("created", "%s", e.Created.UTC().Format(time.RFC3339))
		line("source", "%s", dash(e.Source))
		if e.Message != "" {
			line("message", "%s", printable(e.Message))
		}
		if e.Of > 0 {
			line("rollback", "to entry %d", e.Of)
		}
		if e.Parent > 0 {
			line("before", "entry %d; %s", e.Parent, summary(e.Changes))
		}
		return nil
	})
	if err != nil || len(e.Changes) == 0 {
		return err
	}
	printer := planPrinter{w: o.env.stdout, paint: o.env.paintFor(o.env.stdout)}
	printer.line("")
	printer.changes(e.Changes)
	return nil
}
