package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/program"
)

// defaultState is where the daemon's sockets are when nobody says where, for every verb alike.
const defaultState = "/run/gatehouse"

// secretMax bounds a secret in a file, in bytes.
const secretMax = 64 << 10

// services are the flags that tell where Gatehouse is reached.
type services struct {
	state                            string
	xds, authz, rateLimit, accessLog []string
}

// add adds the flags to a verb.
func (s *services) add(c *cobra.Command, withXDS bool) {
	f := c.Flags()
	addState(c, &s.state)
	one := func(to *[]string, name, variable, what string) {
		f.StringSliceVar(to, name, nil, what+": unix:/path or IP:port, one for each replica (default: its socket in --state)")
		orEnvironment(f, name, variable)
	}
	if withXDS {
		one(&s.xds, "xds-address", "GATEHOUSE_XDS_ADDRESS", "where Gatehouse serves xDS, `ADDRESSES`")
	}
	one(&s.authz, "authz-address", "GATEHOUSE_AUTHZ_ADDRESS", "where Gatehouse authorizes, `ADDRESSES`")
	one(&s.rateLimit, "ratelimit-address", "GATEHOUSE_RATELIMIT_ADDRESS", "where Gatehouse limits, `ADDRESSES`")
	one(&s.accessLog, "accesslog-address", "GATEHOUSE_ACCESSLOG_ADDRESS", "where Gatehouse takes access logs, `ADDRESSES`")
}

// addState adds the flag --state.
func addState(c *cobra.Command, state *string) {
	c.Flags().StringVar(state, "state", defaultState, "`DIRECTORY` of the daemon's sockets")
	orEnvironment(c.Flags(), "state", "GATEHOUSE_STATE")
}

// addresses returns what the flags say, with the sockets where they say nothing: by absolute paths, as an Envoy may run in
// another directory.
func (s *services) addresses() envoy.Services {
	state := s.state
	if absolute, err := filepath.Abs(state); err == nil { // Envoy's side refuses what is left relative, and says so.
		state = absolute
	}
	or := func(given []string, name string) []string {
		if len(given) > 0 {
			return given
		}
		return []string{socketIn(state, name)}
	}
	return envoy.Services{
		XDS: or(s.xds, "xds"), Authz: or(s.authz, "authz"),
		RateLimit: or(s.rateLimit, "ratelimit"), AccessLog: or(s.accessLog, "accesslog"),
	}
}

// socketIn returns the address of a service's socket in a state directory.
func socketIn(state, name string) string {
	return envoy.SocketScheme + filepath.Join(state, name+".sock")
}

// daemon are the flags that tell where the management API is asked.
type daemon struct {
	address, state, token, context string

	flags *pflag.FlagSet
}

// add adds the flags to a verb.
func (d *daemon) add(c *cobra.Command) {
	f := c.Flags()
	d.flags = f
	f.StringVar(&d.address, "server", "", "`ADDRESS` of the daemon's management API: unix:/path or IP:port (default: the current context's, or its socket in --state)")
	orEnvironment(f, "server", "GATEHOUSE_ADMIN_ADDRESS")
	addState(c, &d.state)
	addAdminToken(c, &d.token)
	f.StringVar(&d.context, "context", "", "the context to ask, by its `NAME`: see \"gatehouse context\"")
	orEnvironment(f, "context", "GATEHOUSE_CONTEXT")
}

// where returns the address of the management API and where the token for it is. The command line and the environment come
// before the current context, that before the daemon of this machine.
func (d *daemon) where(env surroundings) (address, token string, err error) {
	told := d.address != "" || d.flags == nil || d.flags.Changed("state")
	switch {
	case d.context != "" && d.address != "":
		return "", "", usageError{errors.New("--server and --context both say where the daemon is: keep one")}
	case told && d.context == "":
		return cmp.Or(d.address, socketIn(d.state, "admin")), d.token, nil
	}
	known, err := readContexts(env.lookup)
	switch {
	case errors.Is(err, errNoHome) && d.context == "":
		return socketIn(d.state, "admin"), d.token, nil
	case err != nil:
		return "", "", err
	}
	name := cmp.Or(d.context, known.Current)
	if name == "" {
		return socketIn(d.state, "admin"), d.token, nil
	}
	p, err := known.find(name)
	if err != nil {
		return "", "", err
	}
	return p.Server, cmp.Or(d.token, p.Token), nil
}

// addAdminToken adds the flag --admin-token.
func addAdminToken(c *cobra.Command, token *string) {
	c.Flags().StringVar(token, "admin-token", "", "the management API's token, needed over TCP, as `SECRET`: file:PATH or env:NAME")
	orEnvironment(c.Flags(), "admin-token", "GATEHOUSE_ADMIN_TOKEN")
}

// dial returns a client for the daemon.
func (d *daemon) dial(env surroundings) (*admin.Client, error) {
	address, reference, err := d.where(env)
	if err != nil {
		return nil, err
	}
	token, err := secret(reference, env.lookup)
	if err != nil {
		return nil, fmt.Errorf("the management API's token: %w", err)
	}
	client, err := admin.Dial(address, token)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// away adds to an error what helps when no daemon answers.
func away(err error) error {
	if !errors.Is(err, admin.ErrAway) {
		return err
	}
	network, ok := errors.AsType[net.Error](err)
	dial, isDial := errors.AsType[*net.OpError](err)
	if (ok && network.Timeout()) || (isDial && dial.Op == "dial") {
		return fmt.Errorf("%w\n  Is \"gatehouse serve\" running? --server or --state says where", err)
	}
	return fmt.Errorf("%w\n  The daemon hung up: may this user ask it? --socket-uid of \"gatehouse serve\" lets others in", err)
}

// secret resolves file:PATH or env:NAME; nothing stays nothing. An error never holds the secret.
func secret(reference string, lookup program.Lookup) (string, error) {
	scheme, rest, _ := strings.Cut(reference, ":")
	switch {
	case reference == "":
		return "", nil
	case scheme == "env" && rest != "":
		value, ok := lookup(rest)
		if !ok || value == "" {
			return "", fmt.Errorf("the variable %s is not set", rest)
		}
		return value, nil
	case scheme == "file" && rest != "":
		return secretFile(rest)
	}
	return "", usageError{errors.New("a secret is not written out: say file:PATH or env:NAME")}
}

func secretFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // Only read from.
	text, err := io.ReadAll(io.LimitReader(file, secretMax+1))
	if err != nil {
		return "", err
	}
	if len(text) > secretMax {
		return "", fmt.Errorf("the file %s holds more than a secret", path)
	}
	return strings.TrimSpace(string(text)), nil
}

// findEnvoy returns the Envoy binary.
func findEnvoy(env surroundings) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	return envoy.Find(env.lookup, dir)
}

// directory checks that a directory of documents is there, so that a misspelt one is not taken for an empty one.
func directory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no directory %s", dir)
	case err != nil:
		return fmt.Errorf("look at the directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is no directory: name the directory that holds the documents", dir)
	}
	return nil
}
