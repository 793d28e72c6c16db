package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// endpointsOptions are what the verbs below `gatehouse endpoints` are told.
type endpointsOptions struct {
	env     surroundings
	daemon  daemon
	force   bool
	version int64
	author  string
	format  *choice
}

// newEndpoints returns `gatehouse endpoints`.
func newEndpoints(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "endpoints",
		Short: "Show the endpoints of Upstreams, and push those that are pushed",
		Long: `Endpoints come from an Upstream's document: written out, from names that Gatehouse resolves,
from a watched file, or pushed by these verbs where the document says endpoints: pushed.
A change reaches every Envoy at once and makes no revision. An empty answer of a name or a
file is held back, and the last endpoints stay, until an empty set is forced.`,
		Example: `  gatehouse endpoints list
  gatehouse endpoints set payments 10.0.0.1:9001=2 10.0.0.2:9001
  gatehouse endpoints set payments --force`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newEndpointsList(env),
		newEndpointsChange(env, "set UPSTREAM [ADDRESS[=WEIGHT]]...", "Replace all endpoints of an Upstream", func(words []string) (admin.EndpointChange, error) {
			list, err := endpointWords(words)
			return admin.EndpointChange{All: true, Set: list}, err
		}),
		newEndpointsChange(env, "add UPSTREAM ADDRESS[=WEIGHT]...", "Add endpoints to an Upstream, or give them another weight", func(words []string) (admin.EndpointChange, error) {
			list, err := endpointWords(words)
			return admin.EndpointChange{Add: list}, cmp.Or(err, atLeastOne(words))
		}),
		newEndpointsChange(env, "remove UPSTREAM ADDRESS...", "Take endpoints from an Upstream", func(words []string) (admin.EndpointChange, error) {
			return admin.EndpointChange{Remove: words}, atLeastOne(words)
		}),
	)
	return c
}

func atLeastOne(words []string) error {
	if len(words) == 0 {
		return errors.New("name at least one address, such as 10.0.0.1:9001")
	}
	return nil
}

// endpointWords reads ADDRESS or ADDRESS=WEIGHT.
func endpointWords(words []string) ([]admin.Endpoint, error) {
	var out []admin.Endpoint
	for _, w := range words {
		e := admin.Endpoint{Address: w, Weight: 1}
		if i := strings.LastIndexByte(w, '='); i >= 0 {
			n, err := strconv.Atoi(w[i+1:])
			if err != nil {
				return nil, fmt.Errorf("%q has no number as its weight: write ADDRESS=WEIGHT, as in 10.0.0.1:9001=2", w)
			}
			e.Address, e.Weight = w[:i], n
		}
		out = append(out, e)
	}
	return out, nil
}

// newEndpointsList returns `gatehouse endpoints list`.
func newEndpointsList(env surroundings) *cobra.Command {
	o := endpointsOptions{env: env}
	c := &cobra.Command{
		Use:   "list [UPSTREAM]",
		Short: "Show endpoints, where they come from, and what is held back",
		Args:  cobra.MaximumNArgs(1), ValidArgsFunction: completeUpstreams(env, 1),
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, words []string) error { return o.list(c.Context(), words) }
	return c
}

func (o *endpointsOptions) list(ctx context.Context, words []string) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	sets, err := client.Endpoints(ctx)
	if err != nil {
		return away(err)
	}
	if len(words) > 0 {
		var only []admin.EndpointSet
		for _, s := range sets {
			if s.Upstream == words[0] {
				only = append(only, s)
			}
		}
		if only == nil {
			return fmt.Errorf("there is no Upstream named %q in use", words[0])
		}
		sets = only
	}
	if err := o.format.write(o.env.stdout, sets, func(w io.Writer) error {
		o.table(w, sets)
		return nil
	}); err != nil {
		return err
	}
	if o.format.value == "table" {
		for _, s := range sets {
			if s.Failure != "" {
				fmt.Fprintf(o.env.stderr, "%s: %s\n", s.Upstream, s.Failure)
			}
			if !s.Held.IsZero() {
				fmt.Fprintf(o.env.stderr, "%s: an empty answer is held back; gatehouse endpoints set %s --force lets it through\n", s.Upstream, s.Upstream)
			}
		}
	}
	return nil
}

func (o *endpointsOptions) table(w io.Writer, sets []admin.EndpointSet) {
	if len(sets) > 0 {
		fmt.Fprintln(w, "UPSTREAM\tSOURCE\tSTATE\tVERSION\tAGE\tENDPOINTS")
	}
	for _, s := range sets {
		state, age, version := "ok", "-", "-"
		switch {
		case !s.Held.IsZero():
			state = "held"
		case s.Failure != "":
			state = "failing"
		case len(s.Endpoints) == 0:
			state = "empty"
		}
		if !s.Since.IsZero() {
			age = o.env.now().Sub(s.Since).Truncate(time.Second).String()
			version = strconv.FormatInt(s.Version, 10)
		}
		list := make([]string, len(s.Endpoints))
		for i, e := range s.Endpoints {
			if list[i] = e.Address; e.Weight > 1 {
				list[i] += "=" + strconv.Itoa(e.Weight)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Upstream, s.Source, state, version, age, dash(strings.Join(list, " ")))
	}
}

// newEndpointsChange returns a verb that changes endpoints.
func newEndpointsChange(env surroundings, use, short string, read func(words []string) (admin.EndpointChange, error)) *cobra.Command {
	o := endpointsOptions{env: env}
	c := &cobra.Command{Use: use, Short: short, ValidArgsFunction: completeUpstreams(env, 1), Args: func(_ *cobra.Command, words []string) error {
		if len(words) == 0 {
			return errors.New("name an Upstream")
		}
		_, err := read(words[1:])
		return err
	}}
	o.daemon.add(c)
	f := c.Flags()
	f.BoolVar(&o.force, "force", false, "an empty set is meant")
	f.Int64Var(&o.version, "version", 0, "change only this `VERSION`, as endpoints list shows it")
	f.StringVar(&o.author, "author", "", "`NAME` that is kept with the change")
	orEnvironment(f, "author", "USER")
	c.RunE = func(c *cobra.Command, words []string) error {
		change, err := read(words[1:])
		if err != nil {
			return usageError{err}
		}
		return o.change(c.Context(), words[0], change)
	}
	return c
}

func (o *endpointsOptions) change(ctx context.Context, upstream string, change admin.EndpointChange) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	change.Force, change.Version, change.Author = o.force, o.version, o.author
	now, err := client.ChangeEndpoints(ctx, upstream, change)
	if err != nil {
		return away(err)
	}
	fmt.Fprintf(o.env.stderr, "%s has %s, version %d\n", upstream, count(len(now.Endpoints), "endpoint"), now.Version)
	return nil
}
