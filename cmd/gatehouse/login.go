package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// loginOptions are what `gatehouse login` is told.
type loginOptions struct {
	env     surroundings
	server  string
	context string
	file    string
}

// newLogin returns `gatehouse login`.
func newLogin(env surroundings) *cobra.Command {
	o := loginOptions{env: env}
	c := &cobra.Command{
		Use:   "login",
		Short: "Store a token for a daemon, once it is shown to be good",
		Long: `Reads a token of the management API, asks the daemon with it, and stores it for a context,
which becomes the current one. The token is read from the standard input or from a file,
never from the command line, where others could see it, and it is never printed. It is kept
in a file of its own that only you can read.`,
		Example: `  gatehouse login --server 127.0.0.1:9901 --context staging < token
  gatehouse login --token-file /run/secrets/gatehouse`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.server, "server", "", "`ADDRESS` of the daemon's management API: IP:port or unix:/path (default: the context's)")
	orEnvironment(f, "server", "GATEHOUSE_ADMIN_ADDRESS")
	f.StringVar(&o.context, "context", "", "the context to store the token for, by its `NAME` (default: the current one, or \"default\")")
	orEnvironment(f, "context", "GATEHOUSE_CONTEXT")
	f.StringVar(&o.file, "token-file", "", "read the token from this `FILE`")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *loginOptions) run(ctx context.Context) error {
	known, err := readContexts(o.env.lookup)
	if err != nil {
		return err
	}
	p := place{Name: cmp.Or(o.context, known.Current, "default")}
	if err := contextName(p.Name); err != nil {
		return err
	}
	if old, err := known.find(p.Name); err == nil {
		p = *old
	}
	if p.Server = cmp.Or(o.server, p.Server); p.Server == "" {
		return usageError{errors.New("say where the daemon is: --server IP:port")}
	}
	token, err := o.token()
	if err != nil {
		return err
	}
	client, err := admin.Dial(p.Server, token)
	if err != nil {
		return usageError{err}
	}
	if _, err := client.Revision(ctx); err != nil {
		return fmt.Errorf("the token is not stored: %w", away(err))
	}
	file := known.tokenFile(p.Name)
	if err := writePrivate(file, []byte(token+"\n")); err != nil {
		return fmt.Errorf("store the token: %w", err)
	}
	p.Token = "file:" + file
	known.put(p)
	known.Current = p.Name
	if err := known.write(); err != nil {
		return err
	}
	fmt.Fprintf(o.env.stderr, "logged in at %s; the current context is %s\n", p.Server, p.Name)
	return nil
}

// token reads the token.
func (o *loginOptions) token() (string, error) {
	var token string
	if o.file != "" {
		text, err := secretFile(o.file)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		token = text
	} else {
		if o.env.terminal(o.env.stdin) {
			fmt.Fprintln(o.env.stderr, "Paste the token, and end with Ctrl-D on a line of its own:")
		}
		text, err := io.ReadAll(io.LimitReader(o.env.stdin, secretMax))
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token == "" {
		return "", usageError{errors.New("there is no token: write it to the standard input, or name a file by --token-file")}
	}
	if strings.ContainsAny(token, " \t\r\n") {
		return "", errors.New("what was read is no token: a token is one word")
	}
	return token, nil
}
