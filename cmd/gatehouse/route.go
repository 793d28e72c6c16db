package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// newRoute returns `gatehouse route` with its verbs.
func newRoute(env surroundings) *cobra.Command {
	k := objectKind{
		env: env, kind: gateway.KindRoute, verb: "route", example: "shop", set: "match.path=/shop/**",
		header: "NAME\tGATEWAY\tHOSTS\tMATCH\tTO\tAUTHENTICATE",
		row: func(d *document) string {
			return strings.Join([]string{
				d.ref.Name, exposed(d, "gateway"), exposed(d, "hosts"), matchText(d.fields["match"]),
				destinationsText(d.fields["to"]), authenticateText(d.fields["authenticate"]),
			}, "\t")
		},
	}
	c := &cobra.Command{
		Use:   "route",
		Short: "List, add, change and remove single Routes",
		Long: `Works on single Routes of the live configuration. Each change is planned, printed and applied
as one entry of the history. What these verbs add belongs to the source "cli"; a Route of a
directory is changed with --save DIR, which writes the change into the document there and
keeps comments and order, or is taken from it with --take-over.`,
		Example: `  gatehouse route add shop --host shop.test --path / --to shop --authenticate none
  gatehouse route set shop to=shop-two --save documents`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(k.newList(), k.newGet(), newRouteAdd(env), k.newSet(), k.newRemove())
	return c
}

// exposed joins what the exposures of an object say about something.
func exposed(d *document, field string) string {
	var words []string
	for _, e := range listOf(d.fields["expose"]) {
		if text := wordsOf(fieldOf(e, field)); text != "" {
			words = append(words, text)
		}
	}
	return dash(strings.Join(words, " "))
}

// matchText says in short which requests a match means.
func matchText(match any) string {
	var words, told []string
	for _, name := range []string{"method", "methods", "path", "path-regex"} {
		if text := wordsOf(fieldOf(match, name)); text != "" {
			words = append(words, text)
		}
	}
	for name, one := range map[string]string{"headers": "header", "cookies": "cookie", "query": "query parameter"} {
		if conditions, ok := fieldOf(match, name).(map[string]any); ok {
			told = append(told, count(len(conditions), one))
		}
	}
	slices.Sort(told)
	words = append(words, told...)
	return dash(strings.Join(words, " "))
}

// destinationsText writes destinations as the flag --to takes them.
func destinationsText(to any) string {
	var words []string
	list := listOf(to)
	for _, d := range list {
		name := textOf(d)
		if name == "" {
			name = textOf(fieldOf(d, "upstream"))
		}
		if weight := textOf(fieldOf(d, "weight")); weight != "" && len(list) > 1 {
			name += "=" + weight
		}
		words = append(words, name)
	}
	return dash(strings.Join(words, " "))
}

// authenticateText says who may call: none, or the Issuers of whom one must have signed the token.
func authenticateText(authenticate any) string {
	if word := textOf(authenticate); word != "" {
		return word
	}
	var issuers []string
	for _, field := range []string{"any", "all"} {
		for _, proof := range listOf(fieldOf(authenticate, field)) {
			issuers = append(issuers, textOf(fieldOf(proof, "jwt")))
		}
	}
	if own := textOf(fieldOf(authenticate, "jwt")); own != "" {
		issuers = append(issuers, own)
	}
	return dash(strings.Join(issuers, ","))
}

// routeAdd is what `gatehouse route add` is told.
type routeAdd struct {
	editOptions
	name         string
	gateway      string
	hosts        []string
	path         string
	methods      []string
	to           []string
	authenticate []string
	authorize    []string
	team         string
	routeActs
}

func newRouteAdd(env surroundings) *cobra.Command {
	o := routeAdd{editOptions: editOptions{changeOptions: changeOptions{env: env}}}
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a Route",
		Long: `Adds a Route, and prints what that changes. The Gateway may be left out where there is only
one. A path is written as in documents: / is that path alone, /shop/** everything below
/shop; without --path every path is meant. Who may call must be said: by --authenticate
ISSUER those with a token of that Issuer, by --authenticate none everybody.`,
		Example: `  gatehouse route add shop --host shop.test --path / --to shop --authenticate none
  gatehouse route add orders --path '/orders/**' --to orders=90 --to orders-next=10 \
      --authenticate bank-idp --save documents`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("route add takes the name of the Route")
			}
			return o.check()
		},
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.gateway, "gateway", "", "the `GATEWAY` at which requests arrive; may be left out where there is only one")
	f.StringSliceVar(&o.hosts, "host", nil, "a `HOST` name; may be repeated (default: every host of the Gateway)")
	f.StringVar(&o.path, "path", "", "the `PATH`, as in documents (default: every path)")
	f.StringSliceVar(&o.methods, "method", nil, "a `METHOD`; may be repeated (default: every method)")
	f.StringSliceVar(&o.to, "to", nil, "an `UPSTREAM`, or UPSTREAM=WEIGHT; may be repeated")
	f.StringSliceVar(&o.authenticate, "authenticate", nil, "who may call: none for everybody, or an `ISSUER`, of which one may be repeated")
	f.StringSliceVar(&o.authorize, "authorize", nil, "a `POLICY` that must allow the request; may be repeated")
	f.StringVar(&o.team, "team", "", "the `TEAM` that the Route belongs to")
	o.flags(f)
	completeFlag(c, "to", completeUpstreams(env, 0))
	for flag, kind := range map[string]gateway.Kind{"gateway": gateway.KindGateway, "authenticate": gateway.KindIssuer, "authorize": gateway.KindPolicy} {
		completeFlag(c, flag, objectKind{env: env, kind: kind}.complete(0))
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run(c.Context())
	}
	return c
}

// check finds what is missing before any daemon is asked.
func (o *routeAdd) check() error {
	switch {
	case len(o.to) == 0 && o.redirect == "":
		return errors.New("say which Upstream serves the requests: --to UPSTREAM; or where clients are sent: --redirect PATH")
	case o.redirect != "" && (len(o.to)+len(o.mirrors) > 0 || o.rewritePrefix != ""):
		return errors.New("what is redirected goes to no Upstream: leave out --redirect, or --to, --rewrite-prefix and --mirror")
	}
	if _, err := weightWords(o.to); err != nil {
		return err
	}
	if err := o.wordless(); err != nil {
		return err
	}
	if len(o.authenticate) == 0 {
		return errors.New("say who may call: --authenticate ISSUER for those with a token of that Issuer, --authenticate none for everybody")
	}
	for _, a := range o.authenticate {
		if a == "none" && len(o.authenticate) > 1 {
			return errors.New("--authenticate none lets everybody call: leave the Issuers out, or none")
		}
	}
	return nil
}

func (o *routeAdd) run(ctx context.Context) error {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	at, err := o.onGateway(ctx, client)
	if err != nil {
		return err
	}
	text, err := o.document(at)
	if err != nil {
		return err
	}
	ref := gateway.Ref{Kind: gateway.KindRoute, Name: o.name}
	return o.editOptions.run(ctx, client, admin.Edit{Object: ref, Document: text, New: true})
}

// onGateway returns the Gateway that is named, or the only one.
func (o *routeAdd) onGateway(ctx context.Context, client *admin.Client) (string, error) {
	if o.gateway != "" {
		return o.gateway, nil
	}
	all, err := liveObjects(ctx, client, gateway.KindGateway)
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", errors.New("there is no Gateway at which requests could arrive: apply documents with one first")
	case 1:
		return all[0].ref.Name, nil
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].ref.Name
	}
	return "", usageError{fmt.Errorf("there are several Gateways: choose one of %s with --gateway", strings.Join(names, ", "))}
}

// document writes the Route.
func (o *routeAdd) document(at string) (string, error) {
	var to any
	if len(o.to) > 0 {
		var err error
		if to, err = weightWords(o.to); err != nil {
			return "", usageError{err}
		}
	}
	expose := []part{{"gateway", at}}
	if len(o.hosts) > 0 {
		expose = append(expose, part{"hosts", o.hosts})
	}
	var match any
	var conditions []part
	if len(o.methods) > 0 {
		conditions = append(conditions, part{"methods", o.methods})
	}
	if o.path != "" {
		conditions = append(conditions, part{"path", o.path})
	}
	conditions = append(conditions, o.conditions()...)
	if conditions != nil {
		match = conditions
	}
	var authorize, team any
	if len(o.authorize) > 0 {
		authorize = o.authorize
	}
	if o.team != "" {
		team = o.team
	}
	return documentText(append([]part{
		{"kind", "Route"},
		{"name", o.name},
		{"team", team},
		{"expose", expose},
		{"match", match},
		{"authenticate", proofs(o.authenticate)},
		{"authorize", authorize},
		{"to", to},
	}, o.acts()...))
}

// proofs writes who may call.
func proofs(issuers []string) any {
	switch {
	case len(issuers) == 1 && issuers[0] == "none":
		return "none"
	case len(issuers) == 1:
		return map[string]string{"jwt": issuers[0]}
	}
	list := make([]map[string]string, len(issuers))
	for i, name := range issuers {
		list[i] = map[string]string{"jwt": name}
	}
	return map[string]any{"any": list}
}

// weightWords reads UPSTREAM or UPSTREAM=WEIGHT, as the field to of a document: the name alone for one without a weight.
func weightWords(words []string) (any, error) {
	list := make([][]part, len(words))
	for i, w := range words {
		name, weight, weighed := strings.Cut(w, "=")
		if name == "" {
			return nil, fmt.Errorf("%q names no Upstream: write UPSTREAM, or UPSTREAM=WEIGHT", w)
		}
		if !weighed && len(words) == 1 {
			return name, nil
		}
		if list[i] = []part{{"upstream", name}}; !weighed {
			continue
		}
		n, err := strconv.Atoi(weight)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q has no number as its weight: write UPSTREAM=WEIGHT, as in shop=90", w)
		}
		list[i] = append(list[i], part{"weight", n})
	}
	return list, nil
}
