package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/replay"
)

// limitSimulateOptions are what `gatehouse limit simulate` is told.
type limitSimulateOptions struct {
	env     surroundings
	records recordSource
	format  *choice
	dir     string
}

func newLimitSimulate(env surroundings) *cobra.Command {
	o := limitSimulateOptions{env: env, records: recordSource{env: env}}
	c := &cobra.Command{
		Use:   "simulate DIR",
		Short: "Tell whom other limits would have refused",
		Long: `Takes recorded requests again, by the limits of a directory of documents, in the order and at the
times of their records, and tells whom they would have refused: by limit and the values of its
key. Nothing that counts is touched.

The records are those of a decision log (--decisions), or what the running daemon still has
(--last). Of requests that Envoys let through by themselves only a sample is recorded: write
decisions: {sample: 100} on the Gateway, and wait. A limit by headers, addresses or claims other
than sub needs records with their input; where they have none, that is told.
Exit codes: 0 nobody is refused, 2 somebody is, 1 it could not be told.`,
		Example: `  gatehouse limit simulate documents --last 1h
  gatehouse limit simulate documents --decisions decisions.jsonl --api payments`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("write a directory of documents, with the limits that are to be tried")
			}
			return nil
		},
	}
	o.format = newFormat(c)
	o.records.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run(c.Context())
	}
	return c
}

func (o *limitSimulateOptions) run(ctx context.Context) error {
	checked, err := o.env.check(o.dir)
	if err != nil {
		return err
	}
	r, faults := replay.New(checked.Revision)
	if len(faults) > 0 {
		return inDirectory(o.dir, faults)
	}
	var all []*gateway.Decision
	if err := o.records.each(ctx, func(d *gateway.Decision) error {
		one := *d
		all = append(all, &one)
		return nil
	}); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *gateway.Decision) int { return a.Time.Compare(b.Time) })
	s := &simulation{replayer: r, refused: map[string]*SimulatedRefusals{}, unsure: map[string]int{}, lacks: map[string][]string{}}
	for _, d := range all {
		if err := s.add(ctx, d); err != nil {
			return err
		}
	}
	s.tell(o.env.stderr)
	refused := s.sorted()
	if len(refused) > 0 || o.format.value != "table" {
		if err := o.format.write(o.env.stdout, refused, func(w io.Writer) error { return simulationTable(w, refused) }); err != nil {
			return err
		}
	}
	switch {
	case s.counted == 0:
		return errors.New("no recorded request could be judged")
	case len(refused) > 0:
		return changesError{}
	}
	return nil
}

// SimulatedRefusals is how many recorded requests a limit would have refused, for one value of its key.
type SimulatedRefusals struct {
	Limit     string    `json:"limit"`
	Values    []string  `json:"values"`
	Shadow    bool      `json:"shadow,omitempty"` // The limit is in mode shadow: it would have told, and refused nothing.
	Refused   int       `json:"refused"`
	First     time.Time `json:"first"`
	Example   string    `json:"example"`             // A request's id.
	Already   int       `json:"already,omitempty"`   // Of them refused by a limit when they were recorded.
	Consumer  string    `json:"consumer,omitempty"`  // Of the first.
	API       string    `json:"api"`                 // Of the first.
	Version   string    `json:"version,omitempty"`   // Of the first.
	Operation string    `json:"operation,omitempty"` // Of the first.
}

// simulation adds up what a replay finds.
type simulation struct {
	replayer                     *replay.Replayer
	refused                      map[string]*SimulatedRefusals
	counted, elsewhere, admitted int
	unsure                       map[string]int      // Requests, by the id of a limit.
	lacks                        map[string][]string // What their records lack.
}

// add takes one request again.
func (s *simulation) add(ctx context.Context, d *gateway.Decision) error {
	out, err := s.replayer.Replay(ctx, d)
	if errors.Is(err, replay.ErrNoRoute) {
		s.elsewhere++
		return nil
	}
	if err != nil {
		return err
	}
	s.counted++
	for id, parts := range out.Unsure {
		s.unsure[id]++
		s.lacks[id] = parts
	}
	if out.Refused == nil {
		s.admitted++
		return nil
	}
	key := out.Refused.ID() + "\x00" + strings.Join(out.Key, "\x00")
	one := s.refused[key]
	if one == nil {
		one = &SimulatedRefusals{
			Limit: out.Refused.ID(), Values: append([]string{}, out.Key...), Shadow: out.Shadow, First: d.Time, Example: d.RequestID,
			API: d.API, Version: d.Version, Operation: d.Operation,
		}
		if d.Identity != nil {
			one.Consumer = d.Identity.Consumer
		}
		s.refused[key] = one
	}
	one.Refused++
	if d.Result == gateway.ResultLimited {
		one.Already++
	}
	return nil
}

func (s *simulation) sorted() []*SimulatedRefusals {
	all := make([]*SimulatedRefusals, 0, len(s.refused))
	for _, r := range s.refused {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *SimulatedRefusals) int {
		return cmp.Or(cmp.Compare(a.Limit, b.Limit), cmp.Compare(b.Refused, a.Refused), slices.Compare(a.Values, b.Values))
	})
	return all
}

// tell says what was replayed, and what could not be.
func (s *simulation) tell(w io.Writer) {
	fmt.Fprintf(w, "%d recorded requests replayed: %d admitted\n", s.counted, s.admitted)
	if s.elsewhere > 0 {
		fmt.Fprintf(w, "%d are of operations without a limit there, or nobody was found to have made them\n", s.elsewhere)
	}
	for _, id := range slices.Sorted(maps.Keys(s.unsure)) {
		fmt.Fprintf(w, "%d were not counted for %s, as their records do not tell %s\n", s.unsure[id], id, strings.Join(s.lacks[id], ", "))
	}
}

func simulationTable(w io.Writer, all []*SimulatedRefusals) error {
	fmt.Fprintln(w, "LIMIT\tVALUES\tWOULD REFUSE\tREFUSED ALREADY\tFROM\tEXAMPLE")
	for _, r := range all {
		limit := r.Limit
		if r.Shadow {
			limit += " (shadow)"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", limit, dash(strings.Join(r.Values, " ")), r.Refused, r.Already,
			r.First.UTC().Format(time.RFC3339), dash(r.Example))
	}
	return nil
}
