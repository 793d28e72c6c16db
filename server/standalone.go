package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/opaconfig"
	"github.com/gatehouse/gatehouse/authz/opalog"
)

// StandaloneOptions are the settings of a Standalone.
type StandaloneOptions struct {
	Listen      string        // unix:/path, IP:port or :port; empty: what OPA's configuration says, or 127.0.0.1:9191.
	Policies    string        // A directory or file of Rego and data, or a bundle; empty: none.
	Path        string        // Of the deciding rule; empty: what OPA's configuration says, or envoy/authz/allow.
	OPA         []byte        // The text of OPA's configuration; empty: none.
	V0          bool          // Rego as it was before version 1.
	DryRun      bool          // Every request is allowed.
	Bare        bool          // Refusals without a body of the policy's have none.
	Reflection  bool          // gRPC reflection is answered.
	Unmasked    bool          // Decision logs hold credentials and bodies.
	Limit       time.Duration // For one evaluation; 0: 10 ms.
	Body        int           // Bytes of a body that policies may read; 0: 1 MiB.
	Diagnostics string        // Where /health and /metrics are served, IP:port or unix:/path; empty: nowhere.
	Drain       time.Duration // How long calls under way may take at the end.

	Logger  *slog.Logger
	Console io.Writer // Of decision logs.
	Lookup  func(name string) (value string, ok bool)
}

// Standalone is the authorization service alone, for Envoys that somebody else configures.
type Standalone struct {
	options  StandaloneOptions
	config   *opaconfig.Config
	notes    []string
	service  *authz.Standalone
	pieces   *pieces
	log      *opalog.Sink // nil: none.
	registry *prometheus.Registry
	duration *prometheus.HistogramVec // nil: not measured.

	door  *grpcDoor
	web   *webDoor // nil: none.
	addr  string
	tasks sync.WaitGroup
	end   context.CancelFunc
}

// NewStandalone returns a Standalone that has read OPA's configuration and nothing else. An error is in what it was told.
func NewStandalone(o StandaloneOptions) (*Standalone, error) {
	s := &Standalone{options: o, config: &opaconfig.Config{}, registry: prometheus.NewRegistry()}
	if len(o.OPA) > 0 {
		config, notes, err := opaconfig.Parse(o.OPA, o.Lookup)
		if err != nil {
			return nil, fmt.Errorf("OPA's configuration: %w", err)
		}
		s.config, s.notes = config, notes
	}
	p := &s.config.Plugins.Envoy
	if o.Path != "" {
		p.Path = o.Path
	}
	if p.Path == "" {
		p.Path = "envoy/authz/allow"
	}
	if _, err := authz.PathRef(p.Path); err != nil {
		return nil, err
	}
	if o.Policies == "" && len(s.config.Bundles) == 0 {
		return nil, errors.New("there are no policies: name a directory, or a configuration of OPA's with bundles")
	}
	settings := authz.StandaloneOptions{
		Logger: o.Logger, Limit: o.Limit, Body: o.Body, DryRun: o.DryRun || p.DryRun, Bare: o.Bare, Unmasked: o.Unmasked,
	}
	if err := s.useLog(&settings); err != nil {
		return nil, err
	}
	s.service = authz.NewStandalone(settings)
	set, err := s.setOptions()
	if err != nil {
		return nil, err
	}
	s.pieces = newPieces(s.service, set, len(s.config.Bundles))
	s.registerStandalone()
	return s, nil
}

// setOptions says how the policies are asked. The error is that of a file that OPA's configuration names.
func (s *Standalone) setOptions() (authz.SetOptions, error) {
	p := s.config.Plugins.Envoy
	o := authz.SetOptions{Path: p.Path, SkipBody: p.SkipBody, Logged: s.log != nil}
	if s.config.Logs != nil {
		o.Mask, o.Drop = s.config.Logs.Mask, s.config.Logs.Drop
	}
	if p.Descriptors == "" {
		return o, nil
	}
	text, err := os.ReadFile(p.Descriptors)
	if err == nil {
		o.Descriptors, err = authz.ReadDescriptors(text)
	}
	if err != nil {
		return o, fmt.Errorf("OPA's configuration: plugins.envoy_ext_authz_grpc.proto-descriptor: %w", err)
	}
	return o, nil
}

// Addr returns the address as bound.
func (s *Standalone) Addr() string { return s.addr }

// DiagnosticsAddr returns the address of /health and /metrics as bound; empty: there is none.
func (s *Standalone) DiagnosticsAddr() string {
	if s.web == nil {
		return ""
	}
	return s.web.addr
}

// Run serves until ctx ends, and ends in good order then: what was asked is answered, what was decided is logged.
func (s *Standalone) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
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

// Start loads the policies and binds the addresses. Policies that cannot be used are an error; bundles may come later, and
// until then every Check is answered 503.
func (s *Standalone) Start(ctx context.Context) error {
	for _, note := range s.notes {
		s.options.Logger.Warn("key of OPA's configuration", "note", note)
	}
	if err := s.loadPolicies(); err != nil {
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

func (s *Standalone) begin(ctx, within context.Context) error {
	if err := s.follow(within); err != nil {
		return err
	}
	l, err := bindOutside(ctx, s.address(), s.options.Logger)
	if err != nil {
		return err
	}
	s.addr = listenedAt(l)
	s.options.Logger.Info("authorization serves", "address", s.addr, "path", s.config.Plugins.Envoy.Path, "dry_run", s.options.DryRun || s.config.Plugins.Envoy.DryRun)
	s.door = newGRPCDoor(l, s.grpcOptions()...)
	s.service.Register(s.door.server)
	healthv1.RegisterHealthServer(s.door.server, health{ready: s.ready})
	if s.options.Reflection || s.config.Plugins.Envoy.Reflection {
		reflection.Register(s.door.server)
	}
	if s.log != nil {
		s.tasks.Go(func() { s.log.Run(within) })
	}
	if s.options.Diagnostics == "" {
		return nil
	}
	web, err := bindOutside(ctx, s.options.Diagnostics, s.options.Logger)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.web = newWebDoor(web, diagnostics(s.registry, s.ready), s.options.Logger)
	s.tasks.Go(s.web.serve)
	return nil
}

// Stop ends it: no new calls are taken, those under way are answered until ctx ends, and the decision log is written.
func (s *Standalone) Stop(ctx context.Context) error {
	err := s.door.stop(ctx)
	if s.web != nil {
		err = errors.Join(err, s.web.stop(ctx))
	}
	s.end()
	s.tasks.Wait()
	return err
}

// ready tells why there is nothing to answer by.
func (s *Standalone) ready() error {
	if !s.service.Ready() {
		return errors.New("the policies are not loaded yet")
	}
	return nil
}

// grpcOptions are those of the plugin's configuration, beside those of every gRPC server of Gatehouse.
func (s *Standalone) grpcOptions() []grpc.ServerOption {
	p := s.config.Plugins.Envoy
	var options []grpc.ServerOption
	if p.MaxReceive > 0 {
		options = append(options, grpc.MaxRecvMsgSize(p.MaxReceive))
	}
	if p.MaxSend > 0 {
		options = append(options, grpc.MaxSendMsgSize(p.MaxSend))
	}
	if s.duration != nil {
		options = append(options, grpc.UnaryInterceptor(s.measure))
	}
	return options
}

// address returns where to listen, in the words of this program: the plugin writes grpc://IP:port and unix:///path.
func (s *Standalone) address() string {
	address := s.options.Listen
	switch {
	case address != "":
	case s.config.Plugins.Envoy.Address != "":
		address = s.config.Plugins.Envoy.Address
	case len(s.options.OPA) > 0:
		address = ":9191"
	default:
		address = "127.0.0.1:9191"
	}
	address = strings.TrimPrefix(address, "grpc://")
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		address = "unix:" + path
	}
	return address
}

// listenedAt is the address of a listener, as it is written.
func listenedAt(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}
