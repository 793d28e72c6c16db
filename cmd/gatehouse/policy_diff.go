package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// policyDiffOptions are what `gatehouse policy diff` is told.
type policyDiffOptions struct {
	env      surroundings
	records  recordSource
	format   *choice
	old, new string
}

// newPolicyDiff returns `gatehouse policy diff`.
func newPolicyDiff(env surroundings) *cobra.Command {
	o := policyDiffOptions{env: env, records: recordSource{env: env}}
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what other policies would have decided about recorded requests",
		Long: `Takes recorded decisions again, by the policies of two configurations, and tells which would be
other ones: by API and consumer. Who called stays as it was recorded. Each configuration is a
directory of documents, or where there is none of that name, an entry of the running daemon's
history: a number, or live.

The records are those of a decision log (--decisions), or what the running daemon still has
(--last). They need their input: write decisions: {input: true} on the Gateway, or decisions:
full on an API, and wait. Credentials and bodies are never recorded; where a policy looks at
one, what it would have decided is uncertain, which is told.
Exit codes: 0 nothing differs, 2 something does, 1 it could not be told.`,
		Example: `  gatehouse policy diff live documents --last 1h
  gatehouse policy diff 41 42 --last 1h
  gatehouse policy diff before after --decisions decisions.jsonl --api payments`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("write two configurations, directories of documents or entries of the history: the one with the old policies and the one with the new")
			}
			return nil
		},
	}
	o.format = newFormat(c)
	o.records.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.old, o.new = args[0], args[1]
		return o.run(c.Context())
	}
	return c
}

func (o *policyDiffOptions) run(ctx context.Context) error {
	before, err := o.replayer(ctx, o.old)
	if err != nil {
		return err
	}
	after, err := o.replayer(ctx, o.new)
	if err != nil {
		return err
	}
	d := &policyDiff{before: before, after: after, changes: map[policyChange]*PolicyChange{}}
	if err := o.records.each(ctx, func(one *gateway.Decision) error { return d.add(ctx, one) }); err != nil {
		return err
	}
	d.tell(o.env.stderr)
	changes := d.sorted()
	if len(changes) > 0 || o.format.value != "table" {
		if err := o.format.write(o.env.stdout, changes, func(w io.Writer) error { return policyDiffTable(w, changes) }); err != nil {
			return err
		}
	}
	switch {
	case d.compared == 0:
		return errors.New("no decision could be compared")
	case len(changes) > 0:
		return changesError{}
	}
	return nil
}

// PolicyChange is how many recorded decisions would become other ones, of one operation and consumer.
type PolicyChange struct {
	API       string   `json:"api"`
	Version   string   `json:"version,omitempty"`
	Operation string   `json:"operation"`
	Consumer  string   `json:"consumer,omitempty"`
	Before    string   `json:"before"`
	After     string   `json:"after"`
	Requests  int      `json:"requests"`
	Example   string   `json:"example"` // A request's id.
	Uncertain int      `json:"uncertain,omitempty"`
	Unsure    []string `json:"unsure,omitempty"` // Places that policies look at and records do not have.
}

// policyChange is what requests are added up by.
type policyChange struct{ api, version, operation, consumer, before, after string }

// policyDiff compares decisions.
type policyDiff struct {
	before, after                          *authz.Replayer
	changes                                map[policyChange]*PolicyChange
	compared, without, elsewhere           int
	identity, uncertain, otherThanRecorded int
	bundle                                 int
	unsure                                 []string
}

// add compares one decision.
func (d *policyDiff) add(ctx context.Context, one *gateway.Decision) error {
	if one.Refused() && one.Policy == "" {
		d.identity++
		return nil
	}
	before, err := d.before.Replay(ctx, one)
	if err != nil {
		return d.skip(err)
	}
	after, err := d.after.Replay(ctx, one)
	if err != nil {
		return d.skip(err)
	}
	d.compared++
	unsure := slices.Concat(before.Unsure, after.Unsure)
	if len(unsure) > 0 {
		d.uncertain++
		for _, place := range unsure {
			if !slices.Contains(d.unsure, place) {
				d.unsure = append(d.unsure, place)
			}
		}
	} else if (before.Result == authz.Allowed) != !one.Refused() {
		d.otherThanRecorded++
	}
	if was, is := verdict(before), verdict(after); was != is {
		d.change(one, was, is, unsure)
	}
	return nil
}

// skip counts what cannot be compared.
func (d *policyDiff) skip(err error) error {
	switch {
	case errors.Is(err, authz.ErrNoInput):
		d.without++
	case errors.Is(err, authz.ErrNoRoute):
		d.elsewhere++
	case errors.Is(err, authz.ErrNoBundle):
		d.bundle++
	default:
		return err
	}
	return nil
}

func (d *policyDiff) change(one *gateway.Decision, was, is string, unsure []string) {
	key := policyChange{api: one.API, version: one.Version, operation: one.Operation, before: was, after: is}
	if one.Identity != nil {
		key.consumer = one.Identity.Consumer
	}
	c := d.changes[key]
	if c == nil {
		c = &PolicyChange{
			API: one.API, Version: one.Version, Operation: one.Operation, Consumer: key.consumer, Before: was, After: is, Example: one.RequestID,
		}
		d.changes[key] = c
	}
	c.Requests++
	if len(unsure) > 0 {
		c.Uncertain++
		c.Unsure = slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.Unsure, unsure))))
	}
}

// verdict is a decision in a few words.
func verdict(r authz.Replay) string {
	text := r.Result.String()
	if r.Policy != "" {
		text += " by " + r.Policy
	}
	if r.Reason != "" {
		text += " (" + r.Reason + ")"
	}
	return text
}

func (d *policyDiff) sorted() []*PolicyChange {
	all := make([]*PolicyChange, 0, len(d.changes))
	for _, c := range d.changes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *PolicyChange) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Version, b.Version), cmp.Compare(b.Requests, a.Requests),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	return all
}

// tell says what was compared, and what could not be.
func (d *policyDiff) tell(w io.Writer) {
	fmt.Fprintf(w, "%d decisions compared\n", d.compared)
	for _, n := range []struct {
		count int
		text  string
	}{
		{d.without, "were recorded without their input: write decisions: {input: true} on the Gateway"},
		{d.elsewhere, "are of operations that one of the configurations does not have"},
		{d.bundle, "are decided by a policy whose bundle is not on this host: name its directory in the Bundle"},
		{d.identity, "were refused before any policy was asked"},
		{d.otherThanRecorded, "are decided by the old policies otherwise than recorded: these are not the policies that were in force, or their data was other"},
		{d.uncertain, "are uncertain, as policies look at what is never recorded: " + strings.Join(d.unsure, ", ")},
	} {
		if n.count > 0 {
			fmt.Fprintf(w, "%d %s\n", n.count, n.text)
		}
	}
}

// policyDiffTable writes one line for each change.
func policyDiffTable(w io.Writer, all []*PolicyChange) error {
	fmt.Fprintln(w, "API\tVERSION\tOPERATION\tCONSUMER\tBEFORE\tAFTER\tREQUESTS\tUNCERTAIN\tEXAMPLE")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", c.API, dash(c.Version), c.Operation, dash(c.Consumer), c.Before, c.After,
			c.Requests, c.Uncertain, dash(c.Example))
	}
	return nil
}
