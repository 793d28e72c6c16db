package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// LimitsAloneOptions are the settings of a LimitsAlone.
type LimitsAloneOptions struct {
	Config      string // A directory or file with the limits, as envoyproxy/ratelimit has them.
	Merge       bool   // Several files may have limits of one domain.
	Listen      string // unix:/path, IP:port or :port.
	HTTP        string // Where /json and /healthcheck are served; empty: nowhere.
	Diagnostics string // Where /health, /metrics and /rlconfig are served; empty: nowhere.
	Reflection  bool   // gRPC reflection is answered.

	Redis   *redis.Options // Where limits are counted; nil: in memory.
	Buckets int            // How many are held in memory at most; 0: memory.DefaultBuckets.

	Shadow   bool                 // No call is refused.
	Quota    bool                 // All limits are in quota mode.
	Metadata bool                 // Answers bring dynamic metadata.
	Headers  *descriptors.Headers // nil: answers bring none.
	Near     float64              // From which part of a limit on hits count as near; 0: 0.8.

	Drain  time.Duration // How long calls under way may take at the end.
	Logger *slog.Logger
	Now    func() time.Time
}

// LimitsAlone is the rate limit service alone, for Envoys that somebody else configures.
type LimitsAlone struct {
	options  LimitsAloneOptions
	service  *descriptors.Service
	shared   *redis.Store  // nil: in memory.
	buckets  *memory.Store // nil: shared.
	registry *prometheus.Registry
	loads    loads

	door  *grpcDoor
	web   []*webDoor
	addr  string
	https [2]string // Addresses of HTTP and Diagnostics.
	tasks sync.WaitGroup
	end   context.CancelFunc
}

// loads counts how often the files were read.
type loads struct{ good, bad atomic.Uint64 }

// NewLimitsAlone returns a LimitsAlone that has read nothing yet.
func NewLimitsAlone(o LimitsAloneOptions) *LimitsAlone {
	s := &LimitsAlone{options: o, registry: prometheus.NewRegistry()}
	var store ratelimit.Store
	if o.Redis != nil {
		settings := *o.Redis
		settings.Log = o.Logger
		s.shared = redis.New(settings)
		store = s.shared
	} else {
		s.buckets = memory.New(memory.Options{Clock: o.Now, Buckets: o.Buckets})
		store = s.buckets
	}
	s.service = descriptors.New(descriptors.Options{
		Store: store, Log: o.Logger, Now: o.Now, Shadow: o.Shadow, Quota: o.Quota, Metadata: o.Metadata, Headers: o.Headers, Near: o.Near,
	})
	s.registerMetrics()
	return s
}

// Addr returns the address of the service as bound.
func (s *LimitsAlone) Addr() string { return s.addr }

// HTTPAddr returns the address of /json as bound; empty: there is none.
func (s *LimitsAlone) HTTPAddr() string { return s.https[0] }

// DiagnosticsAddr returns the address of /metrics as bound; empty: there is none.
func (s *LimitsAlone) DiagnosticsAddr() string { return s.https[1] }

// Run serves until ctx ends, and ends in good order then: what was asked is answered.
func (s *LimitsAlone) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Serve answers calls after Start until ctx ends, and stops in good order then.
func (s *LimitsAlone) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.door.serve() }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Drain)
	defer cancel()
	return errors.Join(err, s.Stop(ending))
}

// Start loads the limits and binds the addresses. Limits that cannot be used are an error; a Redis that is away is none.
func (s *LimitsAlone) Start(ctx context.Context) error {
	if err := s.load(); err != nil {
		return err
	}
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err := s.begin(ctx, within); err != nil {
		cancel()
		s.tasks.Wait()
		return err
	}
	s.end = cancel
	return nil
}

func (s *LimitsAlone) begin(ctx, within context.Context) error {
	dir := s.options.Config
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	changed, err := config.Watch(within, dir, s.options.Logger)
	if err != nil {
		return err
	}
	s.tasks.Go(func() { s.reload(changed) })
	l, err := bindOutside(ctx, s.options.Listen, s.options.Logger)
	if err != nil {
		return err
	}
	s.door = newGRPCDoor(l)
	if err := s.openWeb(ctx); err != nil {
		return errors.Join(err, l.Close(), s.closeWeb(ctx))
	}
	s.addr = listenedAt(l)
	s.service.Register(s.door.server)
	healthv1.RegisterHealthServer(s.door.server, health{ready: s.ready})
	if s.options.Reflection {
		reflection.Register(s.door.server)
	}
	if s.shared != nil {
		s.shared.Start()
	}
	store := "memory"
	if s.shared != nil {
		store = "redis"
	}
	s.options.Logger.Info("limits serve", "address", s.addr, "store", store, "shadow", s.options.Shadow)
	return nil
}

// Stop ends it: no new calls are taken, and those under way are answered until ctx ends.
func (s *LimitsAlone) Stop(ctx context.Context) error {
	err := errors.Join(s.door.stop(ctx), s.closeWeb(ctx))
	s.end()
	s.tasks.Wait()
	if s.shared != nil {
		s.shared.Close()
	}
	return err
}

// ready tells why there is nothing to answer by.
func (s *LimitsAlone) ready() error {
	if c := s.service.Config(); c == nil || c.Domains() == 0 {
		return errors.New("there are no limits yet")
	}
	return nil
}

// load reads the files, and takes them into use.
func (s *LimitsAlone) load() error {
	files, err := descriptors.Read(s.options.Config)
	if err != nil {
		s.loads.bad.Add(1)
		return err
	}
	next, faults := descriptors.Load(files, descriptors.LoadOptions{Merge: s.options.Merge})
	if faults != nil {
		s.loads.bad.Add(1)
		return fmt.Errorf("the limits of %s cannot be used:\n%w", s.options.Config, faults)
	}
	for _, note := range next.Notes() {
		s.options.Logger.Warn("limits as written may not do what is meant", "place", note.Place.String(), "note", note.Message)
	}
	if next.Domains() == 0 {
		s.options.Logger.Warn("there are no limits: no file was found", "dir", s.options.Config)
	}
	s.service.Use(next)
	s.loads.good.Add(1)
	return nil
}

// reload reads the files at every change; what cannot be used leaves what is in use.
func (s *LimitsAlone) reload(changed <-chan struct{}) {
	for range changed {
		if err := s.load(); err != nil {
			s.options.Logger.Error("limits not reloaded, those before stay in use", "error", err)
			continue
		}
		c := s.service.Config()
		s.options.Logger.Info("limits reloaded", "dir", s.options.Config, "domains", c.Domains(), "descriptors", c.Rules())
	}
}
