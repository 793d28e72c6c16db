package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// historyOptions are what `gatehouse history` is told.
type historyOptions struct {
	env    surroundings
	daemon daemon
	format *choice
	limit  int
	before int64
}

// newHistory returns `gatehouse history`.
func newHistory(env surroundings) *cobra.Command {
	o := historyOptions{env: env}
	c := &cobra.Command{
		Use:   "history",
		Short: "Tell what was changed, when, by whom and why",
		Long: `Tells the entries of the history, the newest first. Every change makes one, whichever way it
came in. REV is the entry's number, by which other verbs name it; the live one has a star.
CONTENT is the hash of the documents: a rollback makes a new entry with an old content.`,
		Example: `  gatehouse history
  gatehouse history --limit 100 --before 42 -o json`,
		Args: noWords,
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	f := c.Flags()
	f.IntVar(&o.limit, "limit", 20, "how many entries at most")
	f.Int64Var(&o.before, "before", 0, "only entries before this `REV`")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *historyOptions) run(ctx context.Context) error {
	const most = 1000
	if o.limit < 1 || o.limit > most {
		return usageError{fmt.Errorf("--limit: write a number from 1 to %d", most)}
	}
	if o.before < 0 {
		return usageError{fmt.Errorf("--before: %d is no number of the history", o.before)}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	entries, err := client.History(ctx, o.before, o.limit)
	if err != nil {
		return away(err)
	}
	if len(entries) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "there are no entries")
	}
	return o.format.write(o.env.stdout, entries, func(w io.Writer) error {
		if len(entries) > 0 {
			fmt.Fprintln(w, "REV\tCONTENT\tSTATE\tSOURCE\tWHEN\tAUTHOR\tMESSAGE")
		}
		for i := range entries {
			e := &entries[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", rev(e), short(e.Content), e.State, dash(e.Source),
				e.Created.UTC().Format(time.RFC3339), dash(e.Author), entryMessage(e))
		}
		return nil
	})
}

// rev is the number of an entry, with a star if it is live.
func rev(e *admin.Entry) string {
	number := strconv.FormatInt(e.Number, 10)
	if e.Live {
		number += "*"
	}
	return number
}

// entryMessage is what is said about an entry, on one line.
func entryMessage(e *admin.Entry) string {
	message := strings.Join(strings.Fields(e.Message), " ")
	if e.Of > 0 {
		message = strings.TrimSpace(fmt.Sprintf("back to %d: %s", e.Of, message))
		message = strings.TrimSuffix(message, ":")
	}
	return dash(printable(message))
}

// parseRev reads REV: the number of an entry, or "live".
func parseRev(word string) (int64, error) {
	if word == "live" {
		return 0, nil
	}
	number, err := strconv.ParseInt(strings.TrimSuffix(word, "*"), 10, 64)
	if err != nil || number < 1 {
		return 0, usageError{fmt.Errorf("%q is no number of the history: write it as \"gatehouse history\" does, or live", word)}
	}
	return number, nil
}
