package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
)

// upOptions are what `gatehouse up` is told.
type upOptions struct {
	env      surroundings
	dir      string
	state    string
	envoys   int
	admin    string
	limits   string // Where limits are counted.
	logLevel choice
}

// maxTried bounds the Envoys of one fleet that a trial runs: each is a process.
const maxTried = 20

// newUp returns `gatehouse up`.
func newUp(env surroundings) *cobra.Command {
	o := upOptions{env: env, logLevel: newChoice("warn", "debug", "info", "warn", "error")}
	c := &cobra.Command{
		Use:   "up [DIR]",
		Short: "Try a directory of documents on this machine",
		Long: `Runs all that a directory of documents needs, on this machine and in this terminal: the
daemon, an Envoy for each fleet, and an echo backend for every loopback endpoint on which
nobody listens. Then it prints what listens where, and commands to copy. A change in the
directory is in use at once; a faulty one is reported, and what runs goes on.

Ctrl-C ends all, a second Ctrl-C at once. Without DIR it starts empty.

With --envoys a fleet has several Envoys, which share its ports, so that rollouts can be
watched. With --admin-address the management API is at an address of loopback, where a
token says who asks: the first one is in the file admin-token of --state.

The commands come from the example's README.md: the lines that begin with $ in its blocks
marked console.`,
		Example: `  gatehouse up examples/quickstart
  gatehouse up ./documents --log-level info
  gatehouse up --state state --envoys 4 --admin-address 127.0.0.1:9900`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneDirectory(c, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.state, "state", "", "`DIRECTORY` of the sockets and the Envoys' files (default: a temporary one)")
	orEnvironment(f, "state", "GATEHOUSE_STATE")
	f.IntVar(&o.envoys, "envoys", 1, "how many Envoys each fleet has, `N`")
	f.StringVar(&o.admin, "admin-address", "", "`ADDRESS` of the management API: unix:/path, or IP:port on loopback (default: its socket in --state)")
	addLimits(c, &o.limits)
	o.logLevel.add(c, "log-level", "", "from which level on to log")
	orEnvironment(f, "log-level", "GATEHOUSE_LOG_LEVEL")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			o.dir = args[0]
		}
		return o.run(c.Context())
	}
	return c
}

func (o *upOptions) run(ctx context.Context) error {
	if o.envoys < 1 || o.envoys > maxTried {
		return usageError{fmt.Errorf("--envoys: %d is not between 1 and %d", o.envoys, maxTried)}
	}
	if o.dir != "" {
		if err := directory(o.dir); err != nil {
			return err
		}
	}
	limits, err := limitsStore(o.limits, o.env.lookup)
	if err != nil {
		return err
	}
	binary, err := findEnvoy(o.env)
	if err != nil {
		return err
	}
	if err := envoy.CheckVersion(ctx, binary); err != nil {
		fmt.Fprintf(o.env.stderr, "warning: %s\n", err)
	}
	if o.state == "" {
		temporary, err := os.MkdirTemp("", "gatehouse-")
		if err != nil {
			return fmt.Errorf("make a directory for the sockets: %w", err)
		}
		defer func() { _ = os.RemoveAll(temporary) }() // What stays is in the temporary directory.
		o.state = temporary
	}
	state, err := filepath.Abs(o.state) // Envoy's files need it so.
	if err != nil {
		return fmt.Errorf("make the path absolute: %w", err)
	}
	o.state = state
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.logLevel.value)) // The words of --log-level are levels.
	log := newConsole(ctx, o.env.failures, level, o.dir)
	revisions := make(chan *gateway.Revision, 1)
	s, err := server.New(server.Options{
		Config: o.dir, State: o.state, Listen: server.Addresses{Admin: o.admin}, Step: time.Second, Lookup: o.env.lookup, Logger: log, Drain: stopTimeout,
		Limits: limits,
		Used:   func(r *gateway.Revision) { latest(revisions, r) },
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	t := newTrial(o, binary, log, s.Addrs())
	err = t.follow(ctx, revisions)
	if err == nil {
		fmt.Fprintln(o.env.stderr, "ending")
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	t.stop()
	if stopped := s.Stop(ending); !errors.Is(stopped, context.DeadlineExceeded) {
		err = errors.Join(err, stopped)
	}
	return err
}

// stopTimeout bounds the end: whoever presses Ctrl-C wants an end, not a drain.
const stopTimeout = 3 * time.Second

// latest leaves only the newest revision in a channel of one.
func latest(revisions chan *gateway.Revision, r *gateway.Revision) {
	select {
	case <-revisions:
	default:
	}
	revisions <- r
}
