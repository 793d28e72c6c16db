package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
)

// newContext returns `gatehouse context` with its verbs.
func newContext(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "context",
		Short: "Name the daemons you work with, and choose the one that verbs ask",
		Long: `A context is a name for a daemon: the address of its management API, and where the token
for it is. A verb that asks a daemon asks, in this order: the one that --server, --state or
--context name, or their variables; the current context; the daemon of this machine.

Contexts are kept in gatehouse/contexts.yaml below $XDG_CONFIG_HOME, by default ~/.config,
which only you can read. Tokens do not stand in that file, but each in one of its own.`,
		Example: `  gatehouse context add staging --server 127.0.0.1:9901 --admin-token env:STAGING_TOKEN
  gatehouse context use staging
  gatehouse context list`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newContextList(env), newContextAdd(env), newContextUse(env), newContextRemove(env))
	return c
}

// listedContext is a context as `gatehouse context list` prints it.
type listedContext struct {
	place
	Current bool `json:"current"`
}

func newContextList(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "Tell which contexts there are",
		Long:    "Tells which contexts there are; the current one has a star.",
		Example: "  gatehouse context list",
		Args:    noWords,
	}
	format := newFormat(c)
	c.RunE = func(*cobra.Command, []string) error {
		known, err := readContexts(env.lookup)
		if err != nil {
			return err
		}
		list := []listedContext{}
		for _, p := range known.Places {
			list = append(list, listedContext{place: p, Current: p.Name == known.Current})
		}
		if len(list) == 0 && format.value == "table" {
			fmt.Fprintln(env.stderr, "there are no contexts: verbs ask the daemon of this machine")
		}
		return format.write(env.stdout, list, func(w io.Writer) error {
			if len(list) > 0 {
				fmt.Fprintln(w, "CURRENT\tNAME\tSERVER\tTOKEN")
			}
			for _, p := range list {
				star := ""
				if p.Current {
					star = "*"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", star, p.Name, p.Server, dash(p.Token))
			}
			return nil
		})
	}
	return c
}

func newContextAdd(env surroundings) *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a context, or change it",
		Long: `Adds a context, or changes the one of that name. The first becomes the current one. No
daemon is asked; "gatehouse login" stores a token, and checks it.`,
		Example: `  gatehouse context add here --server unix:/run/gatehouse/admin.sock
  gatehouse context add staging --server 127.0.0.1:9901 --admin-token file:/run/secrets/staging`,
		Args: oneContext,
	}
	c.Flags().StringVar(&p.Server, "server", "", "`ADDRESS` of the daemon's management API: unix:/path or IP:port")
	c.Flags().StringVar(&p.Token, "admin-token", "", "where the token is, as `SECRET`: file:PATH or env:NAME")
	c.RunE = func(_ *cobra.Command, args []string) error {
		p.Name = args[0]
		if err := contextName(p.Name); err != nil {
			return err
		}
		if p.Server == "" {
			return usageError{errors.New("say where the daemon is: --server unix:/path or --server IP:port")}
		}
		if _, err := admin.Dial(p.Server, ""); err != nil {
			return usageError{err}
		}
		if err := tokenReference(p.Token); err != nil {
			return err
		}
		if err := p.fromAnywhere(); err != nil {
			return err
		}
		known, err := readContexts(env.lookup)
		if err != nil {
			return err
		}
		known.put(p)
		if known.Current == "" {
			known.Current = p.Name
		}
		return known.write()
	}
	return c
}

// fromAnywhere makes paths absolute: a context is used in other directories than the one in which it was added.
func (p *place) fromAnywhere() error {
	for text, scheme := range map[*string]string{&p.Token: "file:", &p.Server: envoy.SocketScheme} {
		path, ok := strings.CutPrefix(*text, scheme)
		if !ok {
			continue
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("make the path absolute: %w", err)
		}
		*text = scheme + absolute
	}
	return nil
}

// tokenReference refuses a token that is written out, without repeating it.
func tokenReference(reference string) error {
	_, err := secret(reference, func(string) (string, bool) { return "set", true })
	if _, wrong := errors.AsType[usageError](err); wrong {
		return err
	}
	return nil // A file that is not there yet may come.
}

func newContextUse(env surroundings) *cobra.Command {
	return &cobra.Command{
		Use:     "use NAME",
		Short:   "Make a context the one that verbs ask",
		Long:    "Makes a context the one that verbs ask where --server, --state and --context say nothing.",
		Example: "  gatehouse context use staging",
		Args:    oneContext, ValidArgsFunction: completeContexts(env),
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := readContexts(env.lookup)
			if err != nil {
				return err
			}
			if _, err := known.find(args[0]); err != nil {
				return err
			}
			known.Current = args[0]
			return known.write()
		},
	}
}

func newContextRemove(env surroundings) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Forget a context, and the token that was stored for it",
		Long:    "Forgets a context, and the token that \"gatehouse login\" stored for it.",
		Example: "  gatehouse context remove staging",
		Args:    oneContext, ValidArgsFunction: completeContexts(env),
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := readContexts(env.lookup)
			if err != nil {
				return err
			}
			if _, err := known.find(args[0]); err != nil {
				return err
			}
			var rest []place
			for _, p := range known.Places {
				if p.Name != args[0] {
					rest = append(rest, p)
				}
			}
			known.Places = rest
			if known.Current == args[0] {
				known.Current = ""
			}
			if err := os.Remove(known.tokenFile(args[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove the token: %w", err)
			}
			return known.write()
		},
	}
}

// oneContext is the argument check of verbs about one context.
func oneContext(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one context: \"gatehouse context list\" tells which there are")
	}
	return nil
}
