package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse/gatehouse/envoy"
)

// checkTimeout bounds a health check.
const checkTimeout = 3 * time.Second

// bootstrapOptions are what `gatehouse bootstrap` is told.
type bootstrapOptions struct {
	env      surroundings
	settings envoy.Settings
	services services
	format   choice
	check    bool
}

// newBootstrap returns `gatehouse bootstrap`.
func newBootstrap(env surroundings) *cobra.Command {
	o := bootstrapOptions{env: env, format: newChoice("path", "path", "yaml", "json")}
	c := &cobra.Command{
		Use:   "bootstrap --fleet FLEET",
		Short: "Write the files with which an Envoy joins a fleet",
		Long: `Writes an Envoy's bootstrap, and beside it the files that tell where Gatehouse is, and
prints the path of the bootstrap. Envoy watches those files: when Gatehouse moves, run this
again, and no Envoy restarts. Envoy's own admin listens on a Unix socket in the same
directory.

With -o yaml or -o json the bootstrap is printed and nothing is written. With --check
nothing is written either: the Envoy that was started with these flags is asked whether it
is ready, as a health check.`,
		Example: `  envoy -c "$(gatehouse bootstrap --fleet edge --node edge-1)"
  gatehouse bootstrap --fleet edge --node edge-1 --zone eu-1a --label rack=7 -o yaml
  gatehouse bootstrap --fleet edge --node edge-1 --check`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.settings.Fleet, "fleet", "", "the `FLEET` that the Envoy joins (required)")
	orEnvironment(f, "fleet", "GATEHOUSE_FLEET")
	f.StringVar(&o.settings.Node, "node", "", "the Envoy's `NAME` in its fleet (default: the host's name)")
	orEnvironment(f, "node", "GATEHOUSE_NODE")
	f.StringVar(&o.settings.Dir, "dir", "", "`DIRECTORY` for the Envoy's files (default: STATE/FLEET/NODE)")
	orEnvironment(f, "dir", "GATEHOUSE_DIR")
	addEnvoy(f, &o.settings)
	o.format.add(c, "output", "o", "print the path of what was written, or the bootstrap itself")
	f.BoolVar(&o.check, "check", false, "ask the Envoy whether it is ready: exit code 0 or 1")
	o.services.add(c, true)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

// addEnvoy adds the flags that describe an Envoy beside its name.
func addEnvoy(f *pflag.FlagSet, s *envoy.Settings) {
	f.StringVar(&s.Zone, "zone", "", "the `ZONE` in which the Envoy runs")
	orEnvironment(f, "zone", "GATEHOUSE_ZONE")
	f.StringToStringVar(&s.Labels, "label", nil, "a label as `KEY=VALUE`; may be repeated")
	orEnvironment(f, "label", "GATEHOUSE_LABELS")
	f.Lookup("label").DefValue = ""
	f.Int64Var(&s.Connections, "connections", envoy.DefaultConnections, "`NUMBER` of client connections beyond which it accepts no more")
	orEnvironment(f, "connections", "GATEHOUSE_CONNECTIONS")
	f.Uint64Var(&s.Heap, "heap", 0, "`BYTES` of heap near which it refuses requests; 0: no limit")
	orEnvironment(f, "heap", "GATEHOUSE_HEAP")
	f.StringVar(&s.Metrics, "metrics", "", "`HOST:PORT` of a collector to which it sends its metrics, by OTLP over gRPC")
	orEnvironment(f, "metrics", "GATEHOUSE_METRICS")
}

func (o *bootstrapOptions) run(ctx context.Context) error {
	if err := o.complete(); err != nil {
		return err
	}
	if err := o.settings.Check(); err != nil {
		return usageError{err}
	}
	if o.check {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if _, err := envoy.NewAdmin(o.settings.AdminSocket()).Get(ctx, "/ready"); err != nil {
			return fmt.Errorf("envoy is not ready: %w", err)
		}
		return nil
	}
	if o.format.value == "path" {
		path, err := envoy.Prepare(o.settings, o.services.addresses())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(o.env.stdout, path)
		return err
	}
	bootstrap, err := envoy.Bootstrap(o.settings)
	if err != nil {
		return err
	}
	text, err := envoy.RenderYAML(bootstrap)
	if o.format.value == "json" {
		text, err = envoy.RenderJSON(bootstrap)
	}
	if err != nil {
		return err
	}
	_, err = o.env.stdout.Write(text)
	return err
}

// complete fills in what may be left out.
func (o *bootstrapOptions) complete() error {
	if o.settings.Fleet == "" {
		return usageError{errors.New("name the fleet that the Envoy joins: --fleet")}
	}
	if o.settings.Node == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("read the host's name (or name the Envoy with --node): %w", err)
		}
		o.settings.Node = host
	}
	if o.settings.Dir == "" {
		o.settings.Dir = filepath.Join(o.services.state, o.settings.Fleet, o.settings.Node)
	}
	dir, err := filepath.Abs(o.settings.Dir)
	if err != nil {
		return fmt.Errorf("make the path absolute: %w", err)
	}
	o.settings.Dir = dir
	return nil
}
