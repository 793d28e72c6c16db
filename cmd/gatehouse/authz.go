package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/internal/heap"
	"github.com/gatehouse/gatehouse/server"
)

// authzOptions are what `gatehouse authz` is told.
type authzOptions struct {
	env       surroundings
	settings  server.StandaloneOptions
	opa       string
	body      bytesFlag
	logLevel  choice
	logFormat choice
}

// newAuthz returns `gatehouse authz`.
func newAuthz(env surroundings) *cobra.Command {
	o := authzOptions{env: env, body: 1 << 20, logLevel: newChoice("info", "debug", "info", "warn", "error"), logFormat: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "authz",
		Short: "Run the authorization service alone, for Envoys that others configure",
		Long: `Runs the ext_authz service alone, in the place of opa-envoy-plugin: no documents, no fleet,
no store. Every Check is answered by one set of policies: the Rego and data of --policy,
which may be a directory, a file or a bundle, and which is watched; and the bundles of
--opa-config, which is the configuration file of an OPA with the plugin. A change is in use at
once for all, or not at all: what cannot be compiled leaves what was in use.

Policies see the plugin's input and answer as they do there. What differs is in
docs/compatibility.md. The gRPC health service answers on the same address.

With --opa-config, flags that are given count over what the file says. Every key of it that has
no effect is named; one that OPA does not know is an error.`,
		Example: `  gatehouse authz --policy ./policies --listen 127.0.0.1:9191
  gatehouse authz --policy ./policies --path bank/payments/allow --listen unix:/run/authz.sock
  gatehouse authz --opa-config opa.yaml --diagnostics 127.0.0.1:8282`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.settings.Policies, "policy", "", "`PATH` of a directory or file of Rego and data, or of a bundle (.tar.gz)")
	f.StringVar(&o.opa, "opa-config", "", "`FILE` that configures an OPA with opa-envoy-plugin")
	f.StringVar(&o.settings.Path, "path", "", "`PATH` of the rule that decides (default envoy/authz/allow)")
	f.StringVar(&o.settings.Listen, "listen", "", "`ADDRESS` to listen on: IP:port, :port or unix:/path (default 127.0.0.1:9191)")
	f.StringVar(&o.settings.Diagnostics, "diagnostics", "", "`ADDRESS` of /health and /metrics: IP:port or unix:/path (default: none)")
	f.DurationVar(&o.settings.Limit, "limit", 10*time.Millisecond, "`DURATION` that one evaluation may take")
	f.Var(&o.body, "max-body", "`SIZE` of the longest body that policies may read; a longer one is refused with 413")
	f.BoolVar(&o.settings.DryRun, "dry-run", false, "allow every request; the decision log says what was decided")
	f.BoolVar(&o.settings.Reflection, "reflection", false, "answer gRPC reflection")
	f.BoolVar(&o.settings.Bare, "bare", false, "leave the body of a refusal empty where the policy gives none, as the plugin does")
	f.BoolVar(&o.settings.Unmasked, "unmasked", false, "leave credentials and bodies in the decision log")
	f.BoolVar(&o.settings.V0, "v0-compatible", false, "read Rego as it was before version 1")
	o.logLevel.add(c, "log-level", "", "from which level on to log")
	o.logFormat.add(c, "log-format", "", "format of the log")
	orEnvironment(f, "policy", "GATEHOUSE_AUTHZ_POLICY")
	orEnvironment(f, "opa-config", "GATEHOUSE_AUTHZ_OPA_CONFIG")
	orEnvironment(f, "path", "GATEHOUSE_AUTHZ_PATH")
	orEnvironment(f, "listen", "GATEHOUSE_AUTHZ_LISTEN")
	orEnvironment(f, "diagnostics", "GATEHOUSE_AUTHZ_DIAGNOSTICS")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *authzOptions) run(ctx context.Context) error {
	if o.settings.Policies == "" && o.opa == "" {
		return usageError{errors.New("name the policies: --policy PATH, or --opa-config FILE")}
	}
	if o.settings.Limit <= 0 {
		return usageError{fmt.Errorf("--limit: %s is no time to answer in", o.settings.Limit)}
	}
	if o.body <= 0 || o.body > 16<<20 { // A Check brings no more.
		return usageError{errors.New("--max-body: write 1 to 16MiB")}
	}
	o.settings.Body = int(o.body)
	if o.opa != "" {
		text, err := os.ReadFile(o.opa)
		if err != nil {
			return fmt.Errorf("read OPA's configuration: %w", err)
		}
		o.settings.OPA = text
	}
	o.settings.Logger = newLogger(o.env.failures, o.logFormat.value, o.logLevel.value)
	o.settings.Console, o.settings.Lookup, o.settings.Drain = o.env.stdout, o.env.lookup, stopTimeout
	defer heap.Begin(o.env.lookup).Stop()
	s, err := server.NewStandalone(o.settings)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
