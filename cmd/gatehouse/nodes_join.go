package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
)

// defaultNodeDir is where an Envoy that joined has its files when nobody says where.
const defaultNodeDir = "/var/lib/gatehouse/node"

// joinOptions are what `gatehouse nodes join` is told.
type joinOptions struct {
	env      surroundings
	settings envoy.Settings
	server   string
	token    string
	services []string
}

// newNodesJoin returns `gatehouse nodes join`.
func newNodesJoin(env surroundings) *cobra.Command {
	o := joinOptions{env: env}
	c := &cobra.Command{
		Use:   "join --server HOST:PORT --token TOKEN",
		Short: "Join a fleet from another host: get a certificate, and write an Envoy's files",
		Long: `Run on the host of an Envoy, once. It makes a key, which never leaves this host, shows the
token to the daemon, gets a certificate for the key, and writes both with an Envoy's
bootstrap, whose path it prints. The server must hold the authority that the token names.

"gatehouse nodes renew" keeps the certificate fresh from then on; run it beside the Envoy. To
move to another daemon, or after the certificate has been expired for too long, join again.`,
		Example: `  envoy -c "$(gatehouse nodes join --server gatehouse.bank.test:18001 --token file:/run/token)"
  GATEHOUSE_JOIN_TOKEN=ghj_... gatehouse nodes join --server 10.0.0.5:18001 --node edge-7`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.server, "server", "", "`HOST:PORT` of the daemon's --join-address (required)")
	orEnvironment(f, "server", "GATEHOUSE_JOIN_SERVER")
	f.StringVar(&o.token, "token", "", "the `TOKEN` of \"gatehouse nodes token create\": itself, file:PATH or env:NAME (required)")
	orEnvironment(f, "token", "GATEHOUSE_JOIN_TOKEN")
	addNodeDir(c, &o.settings.Dir)
	f.StringVar(&o.settings.Node, "node", "", "the Envoy's `NAME` in its fleet (default: the token's, or else the host's name)")
	orEnvironment(f, "node", "GATEHOUSE_NODE")
	f.StringSliceVar(&o.services, "services-address", nil, "where the daemon's --nodes-address is reached, `ADDRESSES` as IP:port or IP:port@zone, one for each replica, once and for all (default: as the server says, now and later)")
	orEnvironment(f, "services-address", "GATEHOUSE_SERVICES_ADDRESS")
	addEnvoy(f, &o.settings)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

// addNodeDir adds the flag --dir of an Envoy that joined.
func addNodeDir(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", defaultNodeDir, "`DIRECTORY` for the Envoy's files, its own")
	orEnvironment(c.Flags(), "dir", "GATEHOUSE_DIR")
}

func (o *joinOptions) run(ctx context.Context) error {
	text, err := o.complete()
	if err != nil {
		return err
	}
	key, answer, err := join.Join(ctx, join.First{Server: o.server, Token: text, Node: o.settings.Node})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	o.settings.Fleet, o.settings.Node, o.settings.TrustDomain = answer.Fleet, answer.Node, answer.Domain
	kept := join.Kept{
		Server: o.server, Joins: answer.Joins, Services: o.services, Zone: o.settings.Zone,
		Domain: answer.Domain, Fleet: answer.Fleet, Node: answer.Node,
	}
	if len(o.services) == 0 {
		o.services = answer.Services
	}
	if len(o.services) == 0 {
		return errors.New("the server does not say where the services are: name its --nodes-address with --services-address")
	}
	place := join.Place{Settings: o.settings}
	if err := place.Write(key, answer); err != nil {
		return err
	}
	path, err := envoy.Prepare(o.settings, envoy.Services{XDS: o.services, Authz: o.services, RateLimit: o.services, AccessLog: o.services})
	if err != nil {
		return err
	}
	if err := place.WriteKept(kept); err != nil {
		return err
	}
	fmt.Fprintf(o.env.stderr, "Joined %s as %s; the certificate lasts until %s.\n", answer.Fleet, answer.Node, answer.Expires.UTC().Format(time.RFC3339))
	_, err = fmt.Fprintln(o.env.stdout, path)
	return err
}

// complete checks what was told before a use of the token is spent, fills in what may be left out, and returns the token.
func (o *joinOptions) complete() (string, error) {
	switch {
	case o.server == "":
		return "", usageError{errors.New("name the daemon's --join-address: --server HOST:PORT")}
	case o.token == "":
		return "", usageError{errors.New("show a token: --token, as \"gatehouse nodes token create\" prints it")}
	}
	text, err := joinToken(o.token, o.env)
	if err != nil {
		return "", err
	}
	ticket, err := join.ParseTicket(text)
	if err != nil {
		return "", fmt.Errorf("--token: %w", err)
	}
	if o.settings.Node == "" {
		o.settings.Node = ticket.Node
	}
	if o.settings.Node == "" {
		if o.settings.Node, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("read the host's name (or name the Envoy with --node): %w", err)
		}
	}
	if o.settings.Dir, err = filepath.Abs(o.settings.Dir); err != nil {
		return "", fmt.Errorf("make the path absolute: %w", err)
	}
	trial := o.settings
	trial.Fleet = "x" // The token's, which only the daemon knows.
	if err := trial.Check(); err != nil {
		return "", usageError{err}
	}
	for _, address := range o.services {
		if _, err := envoy.Address(address); err != nil {
			return "", usageError{fmt.Errorf("--services-address: %w", err)}
		}
	}
	return text, nil
}

// joinToken returns the text of a token that is written out, in a file, or in the environment.
func joinToken(said string, env surroundings) (string, error) {
	if len(said) >= len(join.TokenPrefix) && said[:len(join.TokenPrefix)] == join.TokenPrefix {
		return said, nil
	}
	text, err := secret(said, env.lookup)
	if wrong := (usageError{}); errors.As(err, &wrong) {
		return "", usageError{fmt.Errorf("--token: a token begins with %s; or say file:PATH or env:NAME", join.TokenPrefix)}
	}
	if err != nil {
		return "", fmt.Errorf("--token: %w", err)
	}
	return text, nil
}
