package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// openWeb opens what is served over HTTP.
func (s *LimitsAlone) openWeb(ctx context.Context) error {
	asked := http.NewServeMux()
	asked.Handle("/json", s.service)
	asked.HandleFunc("/healthcheck", s.healthcheck)
	told := diagnostics(s.registry, s.ready)
	told.HandleFunc("GET /rlconfig", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(s.service.Config().String())) // Whoever asked is gone, or has it.
	})
	for i, door := range []struct {
		address string
		handler http.Handler
	}{{s.options.HTTP, asked}, {s.options.Diagnostics, told}} {
		if door.address == "" {
			continue
		}
		l, err := bindOutside(ctx, door.address, s.options.Logger)
		if err != nil {
			return err
		}
		d := newWebDoor(l, door.handler, s.options.Logger)
		s.web, s.https[i] = append(s.web, d), d.addr
		s.tasks.Go(d.serve)
	}
	return nil
}

func (s *LimitsAlone) closeWeb(ctx context.Context) error {
	var all error
	for _, d := range s.web {
		all = errors.Join(all, d.stop(ctx))
	}
	return all
}

// healthcheck answers as envoyproxy/ratelimit does: 200 with OK, or 500.
func (s *LimitsAlone) healthcheck(w http.ResponseWriter, _ *http.Request) {
	if s.ready() != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = strings.NewReader("OK").WriteTo(w) // Whoever asked is gone, or has it.
}
