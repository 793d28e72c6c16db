package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// newUpstream returns `gatehouse upstream` with its verbs.
func newUpstream(env surroundings) *cobra.Command {
	k := objectKind{
		env: env, kind: gateway.KindUpstream, verb: "upstream", example: "shop", set: "timeout=2s",
		header: "NAME\tENDPOINTS\tPROTOCOL\tTIMEOUT",
		row: func(d *document) string {
			return strings.Join([]string{
				d.ref.Name, endpointsText(d.fields["endpoints"]), dash(textOf(d.fields["protocol"])), dash(textOf(d.fields["timeout"])),
			}, "\t")
		},
	}
	c := &cobra.Command{
		Use:   "upstream",
		Short: "List, add, change and remove single Upstreams",
		Long: `Works on single Upstreams of the live configuration. Each change is planned, printed and
applied as one entry of the history. What these verbs add belongs to the source "cli"; an
Upstream of a directory is changed with --save DIR, which writes the change into the document
there and keeps comments and order, or is taken from it with --take-over.

The endpoints of an Upstream that says endpoints: pushed are set by "gatehouse endpoints", at
once and without an entry.`,
		Example: `  gatehouse upstream add shop 127.0.0.1:9001 127.0.0.1:9002=2
  gatehouse upstream set shop timeout=2s`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(k.newList(), k.newGet(), newUpstreamAdd(env), newUpstreamHealth(env), k.newSet(), k.newRemove())
	return c
}

// endpointsText says in short where endpoints come from, or which there are.
func endpointsText(endpoints any) string {
	const most = 4
	if word := textOf(endpoints); word != "" {
		return word
	}
	for _, source := range []string{"srv", "file"} {
		if from := textOf(fieldOf(endpoints, source)); from != "" {
			return source + " " + from
		}
	}
	var words []string
	list := listOf(endpoints)
	for _, e := range list[:min(len(list), most)] {
		word := textOf(fieldOf(e, "address"))
		if weight := textOf(fieldOf(e, "weight")); weight != "" && weight != "1" {
			word += "=" + weight
		}
		words = append(words, word)
	}
	if len(list) > most {
		words = append(words, fmt.Sprintf("and %d more", len(list)-most))
	}
	return dash(strings.Join(words, " "))
}

// upstreamAdd is what `gatehouse upstream add` is told.
type upstreamAdd struct {
	editOptions
	pushed   bool
	protocol string
	timeout  string
	health   string
	team     string
}

func newUpstreamAdd(env surroundings) *cobra.Command {
	o := upstreamAdd{editOptions: editOptions{changeOptions: changeOptions{env: env}}}
	c := &cobra.Command{
		Use:   "add NAME [ADDRESS[=WEIGHT]]...",
		Short: "Add an Upstream",
		Long: `Adds an Upstream with its endpoints, and prints what that changes. An address is IP:port,
host:port or unix:/path. With --pushed its endpoints are set by "gatehouse endpoints".`,
		Example: `  gatehouse upstream add shop 127.0.0.1:9001 127.0.0.1:9002=2 --health /healthz
  gatehouse upstream add batch --pushed`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("upstream add takes the name of the Upstream, and its endpoints")
			}
			return o.check(args[1:])
		},
	}
	o.add(c)
	f := c.Flags()
	f.BoolVar(&o.pushed, "pushed", false, "endpoints are pushed, none are written here")
	f.StringVar(&o.protocol, "protocol", "", "what the endpoints speak: http1 or http2")
	f.StringVar(&o.timeout, "answer-timeout", "", "`DURATION` that the whole response may take")
	f.StringVar(&o.health, "health", "", "the `PATH` of active health checks")
	f.StringVar(&o.team, "team", "", "the `TEAM` that the Upstream belongs to")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1:]) }
	return c
}

// check finds what is missing before any daemon is asked.
func (o *upstreamAdd) check(addresses []string) error {
	switch {
	case o.pushed && len(addresses) > 0:
		return errors.New("--pushed leaves the endpoints to \"gatehouse endpoints\": name none here")
	case !o.pushed && len(addresses) == 0:
		return errors.New("name at least one endpoint, such as 10.0.0.1:9001, or say --pushed")
	}
	_, err := endpointWords(addresses)
	return err
}

func (o *upstreamAdd) run(ctx context.Context, name string, addresses []string) error {
	text, err := o.document(name, addresses)
	if err != nil {
		return err
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	ref := gateway.Ref{Kind: gateway.KindUpstream, Name: name}
	return o.editOptions.run(ctx, client, admin.Edit{Object: ref, Document: text, New: true})
}

// document writes the Upstream.
func (o *upstreamAdd) document(name string, addresses []string) (string, error) {
	list, err := endpointWords(addresses)
	if err != nil {
		return "", usageError{err}
	}
	var endpoints any = "pushed"
	if !o.pushed {
		written := make([][]part, len(list))
		for i, e := range list {
			written[i] = []part{{"address", e.Address}}
			if e.Weight != 1 {
				written[i] = append(written[i], part{"weight", e.Weight})
			}
		}
		endpoints = written
	}
	optional := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	var health any
	if o.health != "" {
		health = []part{{"path", o.health}}
	}
	return documentText([]part{
		{"kind", "Upstream"},
		{"name", name},
		{"team", optional(o.team)},
		{"endpoints", endpoints},
		{"protocol", optional(o.protocol)},
		{"timeout", optional(o.timeout)},
		{"health", health},
	})
}
