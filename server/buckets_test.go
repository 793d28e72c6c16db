package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// countingServer starts a server of its own that counts in memory, and returns how to end it, which may be done once.
func countingServer(t *testing.T, state, config string, logs *bytes.Buffer) (s *Server, end func()) {
	t.Helper()
	s, err := New(Options{Config: config, State: state, Logger: slog.New(slog.NewTextHandler(logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	end = func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return s, end
}

// bare is a request that has nothing to count by.
type bare struct{}

func (bare) Value(string) (string, bool)   { return "", false }
func (bare) Amount(string) (string, bool)  { return "", false }
func (bare) Holds(*gateway.LimitWhen) bool { return true }

// spend5 spends one of five an hour.
func spend5(t *testing.T, s *Server) ratelimit.Spent {
	t.Helper()
	spent, err := s.ratelimit.Spend(t.Context(), ratelimit.Spending{
		Rules: s.live.Load().revision.Routes[0].Rules, Cost: 1, Request: bare{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return spent
}

// TestLimitsCountOn stops a server and starts another: what was spent is still spent, unless the file is not to be trusted.
func TestLimitsCountOn(t *testing.T) {
	t.Parallel()
	config, state := t.TempDir(), needs.SocketDir(t)
	if err := os.WriteFile(filepath.Join(config, "bank.yaml"), []byte(strings.NewReplacer("per: 1m", "per: 1h", "name: edge\n", "name: edge\nlimit-headers: both\n").Replace(decided)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(state, bucketsFile)
	var logs bytes.Buffer
	first, end := countingServer(t, state, config, &logs)
	for range 3 {
		spend5(t, first)
	}
	end()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("who may read the counts: %v, %v", info.Mode(), err)
	}

	second, end := countingServer(t, state, config, &logs)
	if spent := spend5(t, second); !strings.Contains(spent.Standing, ";r=1") {
		t.Errorf("after a restart and four of five %s remain", spent.Standing)
	}
	end()
	if !strings.Contains(logs.String(), "limits count on") {
		t.Error("nothing is said about the counts that were found")
	}

	for name, broken := range map[string][]byte{
		"cut": whole[:len(whole)-5], "flipped": append([]byte{whole[0] ^ 1}, whole[1:]...), "empty": nil, "foreign": []byte(strings.Repeat("x", 500)),
	} {
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		logs.Reset()
		third, end := countingServer(t, state, config, &logs)
		if spent := spend5(t, third); !strings.Contains(spent.Standing, ";r=4") {
			t.Errorf("%s: after a fresh start and one of five %s remain", name, spent.Standing)
		}
		end()
		if !strings.Contains(logs.String(), "limits begin to count anew") {
			t.Errorf("%s: nothing is said about it", name)
		}
	}
}

// TestLimitsAreWritten waits until a server that runs has written what it counts, and cannot, and can again.
func TestLimitsAreWritten(t *testing.T) {
	t.Parallel()
	config, state := t.TempDir(), needs.SocketDir(t)
	if err := os.WriteFile(filepath.Join(config, "bank.yaml"), []byte(decided), 0o600); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	s, _ := countingServer(t, state, config, &logs)
	spend5(t, s)
	file := filepath.Join(state, bucketsFile)
	deadline := time.Now().Add(30 * time.Second)
	written := func(what string, holds func() bool) {
		t.Helper()
		for tick := time.NewTicker(10 * time.Millisecond); !holds(); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	written("nothing is written", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil { // In the way.
		t.Fatal(err)
	}
	spend5(t, s)
	written("no failure is counted", func() bool { return s.savedBuckets.failed.Load() > 0 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	written("it is not tried again", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Mode().IsRegular()
	})
}

// TestBucketsWaitForAHandOver asks for a bucket while it is handed over: an answer comes when the hand-over has failed, and what says
// that the successor is to be asked when it has not.
func TestBucketsWaitForAHandOver(t *testing.T) {
	t.Parallel()
	config, state := t.TempDir(), needs.SocketDir(t)
	if err := os.WriteFile(filepath.Join(config, "bank.yaml"), []byte(strings.ReplaceAll(decided, "per: 1m", "per: 1h")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := countingServer(t, state, config, &bytes.Buffer{})
	m := management{s}
	all, err := m.Limits(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	name := admin.BucketName{Limit: all[0].ID, Values: make([]string, len(all[0].Key))}
	s.buckets.Seal()
	failed := time.AfterFunc(3*movedEvery, s.unsealBuckets)
	defer failed.Stop()
	if b, err := m.GrantBucket(t.Context(), name, 3); err != nil || b.Windows[0].Remaining != b.Windows[0].Limit+3 {
		t.Errorf("after a hand-over that failed: %+v, %v", b, err)
	}
	s.buckets.Seal()
	s.handed.Store(true)
	if _, err := m.Bucket(t.Context(), name); !errors.Is(err, admin.ErrHandedOver) {
		t.Errorf("after one that did not: %v", err)
	}
	s.handed.Store(false)
	s.unsealBuckets()
}
