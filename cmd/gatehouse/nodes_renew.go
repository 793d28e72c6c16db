package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
)

// renewOptions are what `gatehouse nodes renew` is told.
type renewOptions struct {
	env       surroundings
	dir       string
	once      bool
	logLevel  choice
	logFormat choice
}

// newNodesRenew returns `gatehouse nodes renew`.
func newNodesRenew(env surroundings) *cobra.Command {
	o := renewOptions{env: env, logLevel: newChoice("info", "debug", "info", "warn", "error"), logFormat: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "renew",
		Short: "Keep the certificate of an Envoy that joined fresh",
		Long: `Runs beside an Envoy that joined with "gatehouse nodes join". At two thirds of each
certificate's life it makes a new key, gets a certificate for it, and replaces both; Envoy
sees it, and no connection ends. While the daemon cannot be reached it tries again, less and
less often. After the host was off a certificate may also be renewed when it has expired, for
as long as the daemon's --renew-window says; then join again.

It also follows the replicas: when one comes or goes, the Envoy knows within seconds, and so
does this verb, for its next renewal. While none answers, those that were known stay.

With --once it does both now and ends.`,
		Example: `  gatehouse nodes renew --dir /var/lib/gatehouse/node
  gatehouse nodes renew --once`,
		Args: noWords,
	}
	addNodeDir(c, &o.dir)
	c.Flags().BoolVar(&o.once, "once", false, "renew now and end: exit code 0 or 1")
	o.logLevel.add(c, "log-level", "", "from which level on to log")
	orEnvironment(c.Flags(), "log-level", "GATEHOUSE_LOG_LEVEL")
	o.logFormat.add(c, "log-format", "", "form of the log, on the standard error")
	orEnvironment(c.Flags(), "log-format", "GATEHOUSE_LOG_FORMAT")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *renewOptions) run(ctx context.Context) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return fmt.Errorf("make the path absolute: %w", err)
	}
	kept, err := join.ReadKept(dir)
	if err != nil {
		return err
	}
	place := join.Place{Settings: envoy.Settings{Dir: dir}}
	log := newLogger(o.env.failures, o.logFormat.value, o.logLevel.value)
	if o.once {
		next, err := place.Renew(ctx, kept, time.Now)
		if err != nil {
			return fmt.Errorf("renew: %w", err)
		}
		fmt.Fprintf(o.env.stderr, "Renewed the certificate of %s/%s; the next is due at %s.\n", kept.Fleet, kept.Node, next.UTC().Format(time.RFC3339))
		if len(kept.Services) > 0 {
			return nil
		}
		if err := (join.Follower{Place: place, Kept: kept, Log: log}).Once(ctx); err != nil {
			return fmt.Errorf("follow the replicas: %w", err)
		}
		return nil
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return join.Renewer{Place: place, Kept: kept, Log: log}.Run(ctx) })
	if len(kept.Services) == 0 { // Else somebody knows better than the daemons where they are.
		both.Go(func() error { return join.Follower{Place: place, Kept: kept, Log: log}.Run(ctx) })
	}
	return both.Wait()
}
