package join_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/join"
)

// TestRenewerGoesOn renews while the server answers, keeps what is in place and tries again while it does not, and ends when
// it is told to.
func TestRenewerGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	first, err := n.place.Expires()
	if err != nil {
		t.Fatal(err)
	}
	logs := &house{log: h.log, logging: h.logging}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	away := n.kept
	away.Server = "127.0.0.1:1"
	h.clock.advance(17 * time.Hour) // It is due.
	go func() {
		ended <- join.Renewer{Place: n.place, Kept: away, Now: h.clock.Now, Log: slog.New(slog.NewTextHandler(logs, nil))}.Run(ctx)
	}()
	h.eventually("a failure is logged", func() bool { return strings.Contains(h.logged(), "certificate not renewed") })
	if at, err := n.place.Expires(); err != nil || !at.Equal(first) {
		t.Errorf("after a failure the certificate expires at %s, %v", at, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		ended <- join.Renewer{Place: n.place, Kept: n.kept, Now: h.clock.Now, Log: slog.New(slog.NewTextHandler(logs, nil))}.Run(ctx)
	}()
	h.eventually("the certificate is renewed", func() bool {
		at, err := n.place.Expires()
		return err == nil && at.After(first)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(h.logged(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}

// eventually repeats a check until it holds.
func (h *house) eventually(what string, holds func() bool) {
	h.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			h.t.Fatalf("not within %s: %s\n%s", patience, what, h.logged())
		case <-tick.C:
		}
	}
}

// TestCallsAreBounded holds that one address cannot keep the joining service busy.
func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	limited := 0
	for range 60 {
		if err := n.renew(); err != nil {
			if !strings.Contains(err.Error(), "Too many calls") {
				t.Fatal(err)
			}
			limited++
		}
	}
	if limited != 11 { // Joining was the first of a burst of 50.
		t.Errorf("%d of 60 calls at once were too many, want 11", limited)
	}
	h.clock.advance(time.Second)
	if err := n.renew(); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if got := h.service.Counts().Limited; got != 11 {
		t.Errorf("%d counted, want 11", got)
	}
}
