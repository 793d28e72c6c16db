package main

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// completeTimeout bounds what a shell waits for at the Tab key.
const completeTimeout = time.Second

// completion is how cobra asks for words.
type completion = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completing returns a completion whose words the daemon knows: the one that the flags name, or the current context. It
// says nothing where nobody answers in time. most is how many words are completed; 0: any number.
func completing(env surroundings, most int, ask func(context.Context, *admin.Client) ([]string, error)) completion {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d := daemon{flags: c.Flags()}
		for name, to := range map[string]*string{"server": &d.address, "state": &d.state, "admin-token": &d.token, "context": &d.context} {
			if err := fromEnvironment(c, env.lookup); err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			if f := c.Flags().Lookup(name); f != nil {
				*to = f.Value.String()
			}
		}
		client, err := d.dial(env)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		words, err := ask(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(args, w) })
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeFlag completes the value of a flag that there is.
func completeFlag(c *cobra.Command, flag string, words completion) {
	_ = c.RegisterFlagCompletionFunc(flag, words) // It fails only for a flag that does not exist, or completes already.
}

// completeRevs completes numbers of the history, the newest first.
func completeRevs(env surroundings, most int) completion {
	const newest = 50
	return completing(env, most, func(ctx context.Context, client *admin.Client) ([]string, error) {
		entries, err := client.History(ctx, 0, newest)
		words := make([]string, len(entries))
		for i := range entries {
			e := &entries[i]
			words[i] = cobra.CompletionWithDesc(strconv.FormatInt(e.Number, 10), e.State+" "+e.Created.UTC().Format(time.RFC3339)+" "+entryMessage(e))
		}
		return words, err
	})
}

// completeFleets completes the fleets whose Envoys are known.
func completeFleets(env surroundings) completion {
	return completing(env, 1, func(ctx context.Context, client *admin.Client) ([]string, error) {
		nodes, err := client.Nodes(ctx, "")
		words := make([]string, len(nodes))
		for i := range nodes {
			words[i] = nodes[i].Fleet
		}
		slices.Sort(words)
		return slices.Compact(words), err
	})
}

// completeUpstreams completes the Upstreams in use.
func completeUpstreams(env surroundings, most int) completion {
	return completing(env, most, func(ctx context.Context, client *admin.Client) ([]string, error) {
		sets, err := client.Endpoints(ctx)
		words := make([]string, len(sets))
		for i := range sets {
			words[i] = sets[i].Upstream
		}
		return words, err
	})
}

// completeContexts completes names of contexts.
func completeContexts(env surroundings) completion {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		known, err := readContexts(env.lookup)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		for _, p := range known.Places {
			words = append(words, cobra.CompletionWithDesc(p.Name, p.Server))
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeContextFlags completes --context of every verb that has it.
func completeContextFlags(c *cobra.Command, names completion) {
	if c.Flags().Lookup("context") != nil {
		completeFlag(c, "context", func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return names(c, nil, begun)
		})
	}
	for _, child := range c.Commands() {
		completeContextFlags(child, names)
	}
}
