package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/internal/heap"
	"github.com/gatehouse/gatehouse/server"
)

// serveOptions are what `gatehouse serve` is told.
type serveOptions struct {
	env       surroundings
	server    server.Options
	admin     adminOptions
	token     string
	store     storePlace
	limits    string
	decisions decisionFlags
	check     bool
	logLevel  choice
	logFormat choice
}

// newServe returns `gatehouse serve`.
func newServe(env surroundings) *cobra.Command {
	o := serveOptions{env: env, logLevel: newChoice("info", "debug", "info", "warn", "error"), logFormat: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: xDS, authorization, limits, access logs, management API",
		Long: `Runs the daemon. It watches the directory of documents: a good change is in use at once, a
faulty one leaves what is served as it is and is logged with every fault. An API with a
fault of its own does not hold up the others.

Everything is served on Unix sockets in the state directory, which only this user can
open; --socket-uid lets in others. An address may also be IP:port, on loopback only. Envoys
of other hosts are served at --nodes-address, over mutual TLS, once they have joined at
--join-address: see "gatehouse nodes join".

SIGTERM or Ctrl-C drains and ends; the second one ends at once. SIGHUP loads the
documents again. SIGUSR2 starts the program anew, in the version that is there now, and
hands everything over to it without losing a request. With --check nothing is served: the daemon at the same addresses is
asked whether it is ready, as a health check.`,
		Example: `  gatehouse serve --config /etc/gatehouse
  gatehouse serve --config documents --state state --log-format json
  gatehouse serve --check`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.server.Config, "config", "", "`DIRECTORY` of documents, watched (default: none, an empty configuration)")
	orEnvironment(f, "config", "GATEHOUSE_CONFIG")
	f.StringVar(&o.server.State, "state", defaultState, "`DIRECTORY` of the sockets, made with mode 0700 where it is missing")
	orEnvironment(f, "state", "GATEHOUSE_STATE")
	address := func(to *string, name, what, variable string) {
		f.StringVar(to, name, "", "`ADDRESS` of "+what+": unix:/path, or IP:port on loopback (default: its socket in --state)")
		orEnvironment(f, name, variable)
	}
	address(&o.server.Listen.XDS, "xds-address", "xDS", "GATEHOUSE_XDS_ADDRESS")
	address(&o.server.Listen.Authz, "authz-address", "authorization", "GATEHOUSE_AUTHZ_ADDRESS")
	address(&o.server.Listen.RateLimit, "ratelimit-address", "limits", "GATEHOUSE_RATELIMIT_ADDRESS")
	address(&o.server.Listen.AccessLog, "accesslog-address", "access logs", "GATEHOUSE_ACCESSLOG_ADDRESS")
	address(&o.server.Listen.Admin, "admin-address", "the management API", "GATEHOUSE_ADMIN_ADDRESS")
	addAdminToken(c, &o.token)
	o.admin.add(c)
	addRemote(c, &o.server.Remote)
	o.store.add(c)
	addLimits(c, &o.limits)
	o.decisions.add(c)
	f.StringVar(&o.server.Replica, "replica", "", "`NAME` of this daemon among those that share the store (default: the host's)")
	orEnvironment(f, "replica", "GATEHOUSE_REPLICA")
	f.DurationVar(&o.server.Drain, "drain", 10*time.Second, "`DURATION` that calls under way may take once the daemon is to end")
	orEnvironment(f, "drain", "GATEHOUSE_DRAIN")
	o.logLevel.add(c, "log-level", "", "from which level on to log")
	orEnvironment(f, "log-level", "GATEHOUSE_LOG_LEVEL")
	o.logFormat.add(c, "log-format", "", "form of the log, on the standard error")
	orEnvironment(f, "log-format", "GATEHOUSE_LOG_FORMAT")
	f.BoolVar(&o.check, "check", false, "ask the running daemon whether it is ready: exit code 0 or 1")
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *serveOptions) run(ctx context.Context) error {
	if o.check {
		return o.ready(ctx)
	}
	if o.server.Config != "" {
		if err := directory(o.server.Config); err != nil {
			return err
		}
	}
	if o.server.Drain <= 0 {
		return usageError{fmt.Errorf("--drain: %s is no time to end in: write a duration above zero, such as 10s", o.server.Drain)}
	}
	if err := checkRemote(&o.server.Remote); err != nil {
		return err
	}
	var err error
	if o.server.Limits, err = limitsStore(o.limits, o.env.lookup); err != nil {
		return err
	}
	if err := o.admin.apply(&o.server); err != nil {
		return err
	}
	token, err := secret(o.token, o.env.lookup)
	if err != nil {
		return fmt.Errorf("--admin-token: %w", err)
	}
	o.store.state = o.server.State
	if o.server.Store, err = o.store.options(o.env.lookup); err != nil {
		return err
	}
	// Whoever reads the log may go away; that must not end the daemon, as it would any program that writes to nobody.
	signal.Ignore(syscall.SIGPIPE)
	o.server.AdminToken = token
	o.server.Lookup = o.env.lookup
	o.server.Logger = newLogger(o.env.failures, o.logFormat.value, o.logLevel.value)
	if err := o.succession(); err != nil {
		return err
	}
	if o.server.Decisions, err = o.decisions.open(o.env.stdout); err != nil {
		return err
	}
	defer heap.Begin(o.env.lookup).Stop()
	s, err := server.New(o.server)
	if err != nil {
		return err
	}
	// SIGHUP loads the documents again, as daemons are often asked to. They are watched all the same; but a program that does
	// not listen to that signal ends by it at once. Faults are logged where they are found.
	defer onSignal(ctx, syscall.SIGHUP, func(ctx context.Context) { _ = s.Reload(ctx) })()
	defer onSignal(ctx, syscall.SIGUSR2, func(ctx context.Context) { o.handOver(ctx, s) })()
	return s.Run(ctx)
}

// onSignal does something at each signal of a kind, one after another, until stop is called.
func onSignal(ctx context.Context, s os.Signal, do func(context.Context)) (stop func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, s)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
				do(ctx)
			}
		}
	})
	return func() {
		signal.Stop(asked)
		cancel()
		listening.Wait()
	}
}

// ready asks the daemon at the same addresses.
func (o *serveOptions) ready(ctx context.Context) error {
	d := daemon{address: o.server.Listen.Admin, state: o.server.State, token: o.token}
	client, err := d.dial(o.env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return client.Ready(ctx)
}

// newLogger returns a logger for machines or for people.
func newLogger(w io.Writer, format, level string) *slog.Logger {
	options := &slog.HandlerOptions{}
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err == nil { // The words of --log-level are levels.
		options.Level = from
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
