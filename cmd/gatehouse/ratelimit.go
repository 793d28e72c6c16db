package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/internal/heap"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/server"
)

// ratelimitOptions are what `gatehouse ratelimit` is told.
type ratelimitOptions struct {
	env       surroundings
	settings  server.LimitsAloneOptions
	redis     string
	wait      time.Duration
	validate  bool
	headers   bool
	names     descriptors.Headers
	logLevel  choice
	logFormat choice
}

// newRatelimit returns `gatehouse ratelimit`.
func newRatelimit(env surroundings) *cobra.Command {
	o := ratelimitOptions{env: env, logLevel: newChoice("info", "debug", "info", "warn", "error"), logFormat: newChoice("text", "text", "json")}
	c := &cobra.Command{
		Use:   "ratelimit",
		Short: "Run the rate limit service alone, for Envoys that others configure",
		Long: `Runs the rate limit service alone, in the place of envoyproxy/ratelimit and with its files,
unchanged: no documents, no fleet, no Redis where one process is enough. Every file below the
directory is read, whatever its ending, but those whose names begin with a dot or end in "~".

The files are watched. A change is in use at once for all, or not at all: with a single mistake,
told by file, line and column, what was in use stays. What was spent stays spent.

What differs from envoyproxy/ratelimit, and which flag stands for which of its environment
variables, is in docs/ratelimit.md. The gRPC health service answers on the same address.`,
		Example: `  gatehouse ratelimit --config ./limits --listen 127.0.0.1:8081
  gatehouse ratelimit --config ./limits --listen unix:/run/limits.sock --http 127.0.0.1:8080
  gatehouse ratelimit --config ./limits --validate
  gatehouse ratelimit --config ./limits --redis redis://127.0.0.1:6379 --diagnostics 127.0.0.1:9090`,
		Args: noWords,
	}
	o.addFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *ratelimitOptions) addFlags(c *cobra.Command) {
	f, s := c.Flags(), &o.settings
	f.StringVar(&s.Config, "config", "", "`PATH` of a directory or file with limits")
	f.StringVar(&s.Listen, "listen", "127.0.0.1:8081", "`ADDRESS` to listen on: IP:port, :port or unix:/path")
	f.StringVar(&s.HTTP, "http", "", "`ADDRESS` of /json and /healthcheck: IP:port or unix:/path (default: none)")
	f.StringVar(&s.Diagnostics, "diagnostics", "", "`ADDRESS` of /metrics, /health and /rlconfig: IP:port or unix:/path (default: none)")
	f.StringVar(&o.redis, "redis", "", "count in the Redis or Valkey at this `ADDRESS`, as redis://, rediss:// or unix:, itself or file:PATH or env:NAME (default: in memory)")
	f.DurationVar(&o.wait, "redis-timeout", 0, "`DURATION` that a call waits for Redis (default 50ms)")
	f.IntVar(&s.Buckets, "buckets", 0, "`NUMBER` of buckets held in memory at most (default 524288)")
	f.BoolVar(&s.Merge, "merge-domains", false, "let several files have limits of one domain")
	f.BoolVar(&s.Shadow, "shadow-mode", false, "refuse nothing; the answers tell which limits are reached")
	f.BoolVar(&s.Quota, "quota-mode", false, "treat every limit as if it said quota_mode")
	f.BoolVar(&s.Metadata, "dynamic-metadata", false, "answer with dynamic metadata: what was asked, and which quotas are reached")
	f.BoolVar(&o.headers, "response-headers", false, "answer with headers that tell how the limits stand")
	f.StringVar(&o.names.Limit, "limit-header", "RateLimit-Limit", "`NAME` of the header with the limit")
	f.StringVar(&o.names.Remaining, "remaining-header", "RateLimit-Remaining", "`NAME` of the header with what remains")
	f.StringVar(&o.names.Reset, "reset-header", "RateLimit-Reset", "`NAME` of the header with the seconds until then")
	f.Float64Var(&s.Near, "near-limit-ratio", 0.8, "`PART` of a limit from which on hits count as near it")
	f.BoolVar(&o.validate, "validate", false, "read the files, say what is wrong with them, and end")
	f.BoolVar(&s.Reflection, "reflection", false, "answer gRPC reflection")
	o.logLevel.add(c, "log-level", "", "from which level on to log")
	o.logFormat.add(c, "log-format", "", "format of the log")
	orEnvironment(f, "config", "GATEHOUSE_RATELIMIT_CONFIG")
	orEnvironment(f, "listen", "GATEHOUSE_RATELIMIT_LISTEN")
	orEnvironment(f, "http", "GATEHOUSE_RATELIMIT_HTTP")
	orEnvironment(f, "diagnostics", "GATEHOUSE_RATELIMIT_DIAGNOSTICS")
	orEnvironment(f, "redis", "GATEHOUSE_RATELIMIT_REDIS")
}

func (o *ratelimitOptions) run(ctx context.Context) error {
	s := &o.settings
	switch {
	case s.Config == "":
		return usageError{errors.New("name the limits: --config PATH")}
	case s.Near <= 0 || s.Near > 1:
		return usageError{fmt.Errorf("--near-limit-ratio: %v is no part of a limit: write a number above 0, up to 1", s.Near)}
	case s.Buckets < 0 || o.wait < 0:
		return usageError{errors.New("--buckets and --redis-timeout are not below 0")}
	case o.wait > 0 && o.redis == "":
		return usageError{errors.New("--redis-timeout is for limits in Redis: say --redis ADDRESS too")}
	}
	if o.validate {
		return o.judge()
	}
	if o.headers {
		s.Headers = &o.names
	}
	if o.redis != "" {
		store, err := redisStore("--redis", o.redis, o.env.lookup)
		if err != nil {
			return err
		}
		store.Timeout = o.wait
		s.Redis = store
	}
	s.Logger = newLogger(o.env.failures, o.logFormat.value, o.logLevel.value)
	s.Drain, s.Now = stopTimeout, time.Now
	defer heap.Begin(o.env.lookup).Stop()
	return server.NewLimitsAlone(*s).Run(ctx)
}

// judge reads the files, and says what is wrong with them and what does not do what may be meant.
func (o *ratelimitOptions) judge() error {
	files, err := descriptors.Read(o.settings.Config)
	if err != nil {
		return err
	}
	config, faults := descriptors.Load(files, descriptors.LoadOptions{Merge: o.settings.Merge})
	if faults != nil {
		return fmt.Errorf("the limits of %s cannot be used:\n%w", o.settings.Config, faults)
	}
	for _, note := range config.Notes() {
		fmt.Fprintf(o.env.failures, "%s: %s\n", note.Place, note.Message)
	}
	fmt.Fprintf(o.env.stdout, "files: %d, domains: %d, descriptors: %d\n", len(files), config.Domains(), config.Rules())
	return nil
}
