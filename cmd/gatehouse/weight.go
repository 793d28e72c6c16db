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

// newWeight returns `gatehouse weight`.
func newWeight(env surroundings) *cobra.Command {
	o := editOptions{changeOptions: changeOptions{env: env}}
	c := &cobra.Command{
		Use:   "weight OBJECT UPSTREAM=WEIGHT...",
		Short: "Divide the requests of an API or Route between Upstreams",
		Long: `Divides the requests of an API, named as NAME/VERSION, or of a Route between Upstreams by
their weights. Exactly the Upstreams that are named serve it then. What changes is printed,
and becomes an entry of the history.`,
		Example: `  gatehouse weight payments/v1 payments-blue=90 payments-green=10
  gatehouse weight website website-next=1 --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("name an API or a Route, and each Upstream with its weight, as in payments/v1 blue=90 green=10")
			}
			for _, w := range args[1:] {
				if !strings.Contains(w, "=") {
					return fmt.Errorf("%q has no weight: write UPSTREAM=WEIGHT", w)
				}
			}
			_, err := weightWords(args[1:])
			return err
		},
		ValidArgsFunction: completeWeighed(env),
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := o.daemon.dial(o.env)
		if err != nil {
			return err
		}
		ref, err := weighed(c.Context(), client, args[0])
		if err != nil {
			return err
		}
		to, err := weightWords(args[1:])
		if err != nil {
			return usageError{err}
		}
		text, err := flow(to)
		if err != nil {
			return err
		}
		return o.run(c.Context(), client, admin.Edit{Object: ref, Set: []admin.SetField{{Field: "to", Value: text}}})
	}
	return c
}

// weighed returns the API or Route that a word names.
func weighed(ctx context.Context, client *admin.Client, word string) (gateway.Ref, error) {
	all, err := liveObjects(ctx, client, "")
	if err != nil {
		return gateway.Ref{}, err
	}
	name, version, versioned := strings.Cut(word, "/")
	var found []string
	var ref gateway.Ref
	for i := range all {
		r := all[i].ref
		api := r.Kind == gateway.KindAPI && (!versioned || r.Version == version)
		route := r.Kind == gateway.KindRoute && !versioned
		if r.Name == name && (api || route) {
			ref = r
			found = append(found, r.String())
		}
	}
	switch len(found) {
	case 0:
		return gateway.Ref{}, fmt.Errorf("neither an API nor a Route %q is live: \"gatehouse api list\" and \"gatehouse route list\" tell which are", word)
	case 1:
		return ref, nil
	}
	return gateway.Ref{}, usageError{fmt.Errorf("%q may be %s: name an API with its version; of a Route that is called like an API, set the field to", word, strings.Join(found, " or "))}
}

// completeWeighed completes an API or Route, and then Upstreams.
func completeWeighed(env surroundings) completion {
	objects := completing(env, 1, func(ctx context.Context, client *admin.Client) ([]string, error) {
		all, err := liveObjects(ctx, client, "")
		var words []string
		for i := range all {
			if slices.Contains([]gateway.Kind{gateway.KindAPI, gateway.KindRoute}, all[i].ref.Kind) {
				words = append(words, objectName(all[i].ref))
			}
		}
		return words, err
	})
	upstreams := completeUpstreams(env, 0)
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return objects(c, args, begun)
		}
		words, directive := upstreams(c, nil, begun)
		for i := range words {
			words[i] += "="
		}
		return words, directive | cobra.ShellCompDirectiveNoSpace
	}
}
