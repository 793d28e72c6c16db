package join

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of the joining service.
const (
	headerTimeout = 5 * time.Second
	callTimeout   = 10 * time.Second
	idleTimeout   = 30 * time.Second
	headerBytes   = 16 << 10
	underWay      = 32 // Calls at a time.
)

// ServiceOptions of a Service.
type ServiceOptions struct {
	Authority *Authority
	Tokens    Tokens
	Kept      Certificates     // Where certificates are kept; nil: nowhere.
	Services  func() []string  // Where nodes reach the services, of this replica first; see Directory. It is asked often.
	Joins     func() []string  // Where they join and renew, in the same order; nil: where they do.
	Now       func() time.Time // nil: time.Now.
	Log       *slog.Logger     // nil: nothing is logged.
}

// Counts are what a Service did. Every number only grows.
type Counts struct{ Joined, Renewed, Refused, Limited uint64 }

// Service hands out certificates: to who holds a token, and to who holds a certificate.
type Service struct {
	authority *Authority
	tokens    Tokens
	kept      Certificates
	services  func() []string
	joins     func() []string
	now       func() time.Time
	log       *slog.Logger
	callers   *callers
	slots     chan struct{}
	waiting   chan struct{} // Nodes that wait for the directory to change.
	stopping  chan struct{} // Closed by Stop.
	stop      sync.Once
	server    *http.Server

	joined, renewed, refused, limited atomic.Uint64
}

// New returns a Service; nothing is served yet.
func New(o ServiceOptions) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Services == nil {
		o.Services = func() []string { return nil }
	}
	if o.Joins == nil {
		o.Joins = func() []string { return nil }
	}
	s := &Service{
		authority: o.Authority, tokens: o.Tokens, kept: o.Kept, services: o.Services, joins: o.Joins, now: o.Now, log: o.Log,
		callers: newCallers(o.Now), slots: make(chan struct{}, underWay),
		waiting: make(chan struct{}, waitingMost), stopping: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathJoin, s.bounded(s.join))
	mux.HandleFunc("POST "+pathRenew, s.bounded(s.renew))
	mux.HandleFunc("GET "+pathDirectory, s.tell)
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers over TLS on a listener, which it closes, until Stop. hosts are the names in its certificate.
func (s *Service) Serve(l net.Listener, hosts []string) error {
	if err := s.server.Serve(tls.NewListener(l, s.authority.JoinTLS(hosts))); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("joining service: %w", err)
	}
	return nil
}

// Stop lets calls under way end, and cuts them off when ctx does.
func (s *Service) Stop(ctx context.Context) error {
	s.stop.Do(func() { close(s.stopping) })
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("joining service: %w", err), s.server.Close())
	}
	return nil
}

// Counts returns what was counted until now.
func (s *Service) Counts() Counts {
	return Counts{s.joined.Load(), s.renewed.Load(), s.refused.Load(), s.limited.Load()}
}

// call answers one call, or says with which status it is refused.
type call func(r *http.Request, body []byte) (Answer, error)

// bounded answers calls of bounded number and size.
func (s *Service) bounded(answer call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			s.tooMany(w)
			return
		}
		if !s.callers.allow(r.RemoteAddr) {
			s.tooMany(w)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			problem(w, http.StatusBadRequest, gateway.ProblemBadRequest, "The call cannot be read.")
			return
		}
		a, err := answer(r, body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(a) // Who has gone asks again.
	}
}

// tooMany refuses a call of somebody who calls too often.
func (s *Service) tooMany(w http.ResponseWriter) {
	s.limited.Add(1)
	w.Header().Set("Retry-After", "5")
	problem(w, http.StatusTooManyRequests, gateway.ProblemLimited, "Too many calls: try again in a few seconds.")
}

// wrong is a call that cannot be answered, in words for who made it.
type wrong struct{ error }

func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if bad, ok := errors.AsType[wrong](err); ok {
		problem(w, http.StatusBadRequest, gateway.ProblemBadRequest, bad.Error())
		return
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrExpired) || errors.Is(err, errStranger) {
		s.refused.Add(1)
		s.log.WarnContext(r.Context(), "joining refused", "address", r.RemoteAddr, "path", r.URL.Path, "reason", reasonOf(err))
		problem(w, http.StatusForbidden, gateway.ProblemForbidden, toldOf(err))
		return
	}
	s.log.ErrorContext(r.Context(), "joining failed", "address", r.RemoteAddr, "path", r.URL.Path, "error", err)
	problem(w, http.StatusInternalServerError, gateway.ProblemInternal, "The server could not do it; its log says why.")
}

// reasonOf returns why a call was refused, for the log.
func reasonOf(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return err.Error()
}

// toldOf returns what the caller is told of a refusal: nothing about a token.
func toldOf(err error) string {
	if errors.Is(err, ErrRefused) {
		return ErrRefused.Error()
	}
	return err.Error()
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", gateway.ProblemType)
	w.WriteHeader(status)
	_, _ = w.Write(gateway.NewProblem(status, code, detail).JSON()) // Who has gone asks again.
}
