// Package admin is the management HTTP API of a running Gatehouse, and the Go client for it.
//
// In: what the daemon knows about itself, asked through small interfaces that server fulfils. Out: probes, metrics and
// profiles for machines, and JSON described by /openapi.json for people and tools.
//
// Every request passes one door: who calls is proven by the socket, a token or a certificate, whether that is allowed is
// decided by rules, and what changes something is in the audit before it is answered.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Readiness tells whether the daemon is fit to serve.
type Readiness interface {
	// Ready returns nil when a revision is compiled and served, and otherwise the reason why not.
	Ready() error
}

// Fleet knows the Envoys.
type Fleet interface {
	// Nodes returns every node that is known, sorted by fleet and name.
	Nodes() []Node
	// Resources returns what a node should have and has, none while it is not connected.
	Resources(fleet, node string) []Resource
	// Retry sends a node once more what it refused. false: it is not connected.
	Retry(fleet, node string) bool
}

// Revisions knows the configuration in use.
type Revisions interface {
	// Revision returns what is in use, and what the last load found wrong.
	Revision() Revision
}

// Explainer tells which way a request takes.
type Explainer interface {
	// Explain answers by the revision in use. It returns ErrNoRevision where there is none; any other error is about the
	// query.
	Explain(q Query) (Answer, error)
}

// ErrNoRevision tells that no revision is in use yet.
var ErrNoRevision = errors.New("no revision is in use")

// Options of a Service.
type Options struct {
	Ready        Readiness
	Nodes        Fleet
	Revisions    Revisions
	Explain      Explainer
	Endpoints    Endpoints
	Tokens       Tokens
	Authority    Authority
	Export       Exporter
	Rollouts     Rollouts
	Changes      Changes
	Access       Access
	Accounts     Accounts
	Limits       Limits
	Events       *Events // What /v1/events tells; nil: nothing.
	Replicas     Replicas
	Certificates Certificates
	Usage        Usage
	Decisions    Decisions
	Metrics      http.Handler // Serves /metrics.
	Failed       func()       // Told of each request that failed beyond all expectation; nil: nobody is.
	Version      string       // Of Gatehouse, for the OpenAPI document.
	Logger       *slog.Logger // nil: nothing is logged.

	Callers Callers
	Roles   Roles
	Journal Journal
	Owner   func(upstream string) (team string) // nil: no Upstream belongs to a team.
	Token   string                              // Of an admin over TCP; at least TokenMin bytes. Empty: there is none.
	Hosts   []string                            // Names in a Host header over TCP, beside localhost and loopback addresses.
}

// TokenMin is the shortest token that is accepted, in bytes.
const TokenMin = 16

// How long the server waits. Writing may take as long as a CPU profile of a minute.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
)

// Service serves the API.
type Service struct {
	events *Events
	server *http.Server
}

// New constructs the service; nothing is served yet. The error is about the options.
func New(o Options) (*Service, error) {
	switch {
	case o.Token != "" && len(o.Token) < TokenMin:
		return nil, fmt.Errorf("the management API's token has fewer than %d bytes", TokenMin)
	case o.Callers == nil || o.Roles == nil || o.Journal == nil:
		return nil, errors.New("the management API is not served where nobody tells who calls, decides who may do what, and keeps the audit")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	routes, err := o.routes()
	if err != nil {
		return nil, err
	}
	s := &Service{events: o.Events, server: &http.Server{
		Handler:           routes,
		ConnContext:       o.connected,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}}
	return s, nil
}

// Serve answers on a listener, which it closes, until Stop. What other hosts can reach must be a TLS listener.
func (s *Service) Serve(l net.Listener) error {
	if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("management API: %w", err)
	}
	return nil
}

// Stop lets requests under way end, and cuts them off when ctx does; then it returns ctx's error.
func (s *Service) Stop(ctx context.Context) error {
	s.events.Close()
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("management API: %w", err), s.server.Close())
	}
	return nil
}
