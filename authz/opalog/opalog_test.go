package opalog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/opalog"
)

func event(n int) authz.Event {
	return authz.Event{DecisionID: fmt.Sprint(n), Path: "envoy/authz/allow", Input: map[string]any{"n": n}, Result: true, Timestamp: time.Unix(1_790_000_000, 0).UTC()}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := opalog.New(opalog.Options{Logger: slog.New(slog.DiscardHandler), Console: &out, Labels: map[string]string{"id": "x"}})
	s.Write(event(1))
	s.Write(authz.Event{DecisionID: "2", Input: func() {}}) // Nothing that JSON can say.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Run(ctx)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for key, want := range map[string]string{
		"decision_id": "1", "labels": "map[id:x]", "path": "envoy/authz/allow", "result": "true", "input": "map[n:1]",
		"level": "info", "msg": "Decision Log", "type": "openpolicyagent.org/decision_logs", "timestamp": "2026-09-21T14:13:20Z",
	} {
		if got := fmt.Sprint(line[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if s.Dropped() != 1 {
		t.Errorf("%d dropped, want 1", s.Dropped())
	}
}

// TestQueueIsBounded writes more than there is room for: nothing waits, and what is dropped is counted.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	s := opalog.New(opalog.Options{Logger: slog.New(slog.DiscardHandler), Console: io.Discard, Events: 10})
	for n := range 25 {
		s.Write(event(n))
	}
	if s.Dropped() != 15 {
		t.Errorf("%d dropped, want 15", s.Dropped())
	}
	few := opalog.New(opalog.Options{Logger: slog.New(slog.DiscardHandler), Console: io.Discard, PerSecond: 1})
	for n := range 5 {
		few.Write(event(n))
	}
	if few.Dropped() < 3 {
		t.Errorf("%d dropped of 5 at 1 a second", few.Dropped())
	}
}

// collector is a server of decision logs.
type collector struct {
	mu    sync.Mutex
	away  bool
	lists int
	ids   []string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil || r.URL.Path != "/logs" || r.Header.Get("Authorization") != "Bearer t" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var events []authz.Event
	if err := json.NewDecoder(unzipped).Decode(&events); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.lists++
	for _, e := range events {
		c.ids = append(c.ids, e.DecisionID)
	}
}

// TestServer sends lists, again where the server was away, in order, and the oldest are dropped where too many wait.
func TestServer(t *testing.T) {
	t.Parallel()
	c := &collector{away: true}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	ticks, armed := make(chan time.Time), make(chan struct{}, 10)
	s := opalog.New(opalog.Options{
		Logger: slog.New(slog.DiscardHandler), Upload: 400, Buffer: 1200,
		Send:  opalog.Post(server.Client(), server.URL+"/logs", func(h http.Header) error { h.Set("Authorization", "Bearer t"); return nil }),
		After: func(time.Duration) <-chan time.Time { armed <- struct{}{}; return ticks },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	for n := range 10 {
		s.Write(event(n))
	}
	<-armed
	ticks <- time.Time{}
	<-armed // It has failed, and waits again.
	c.mu.Lock()
	c.away = false
	c.mu.Unlock()
	cancel() // What waits is sent at the end.
	<-done
	dropped := int(s.Dropped())
	var want []string
	for n := dropped; n < 10; n++ {
		want = append(want, fmt.Sprint(n))
	}
	if strings.Join(c.ids, " ") != strings.Join(want, " ") || dropped == 0 || c.lists < 2 {
		t.Errorf("sent %v in %d lists, %d dropped", c.ids, c.lists, dropped)
	}
}
