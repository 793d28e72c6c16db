package bundle_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz/bundle"
)

// shelf is a server of one bundle, which counts what it is asked.
type shelf struct {
	mu        sync.Mutex
	packed    []byte
	etag      string
	status    int // Instead of an answer.
	asked     int
	unchanged int
	seen      http.Header
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.seen = r.Header.Clone()
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case s.etag != "" && r.Header.Get("If-None-Match") == s.etag:
		s.unchanged++
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("Etag", s.etag)
		_, _ = w.Write(s.packed)
	}
}

func (s *shelf) put(packed []byte, etag string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packed, s.etag, s.status = packed, etag, status
}

// follower follows a shelf, and notes what comes into use.
func follower(t *testing.T, url string, used *[]string) *bundle.Follower {
	t.Helper()
	return &bundle.Follower{
		Options: bundle.Options{Name: "bank", Limit: 1 << 20},
		Source: bundle.Server{URL: url, Client: &http.Client{}, Limit: 1 << 20, Head: func(h http.Header) error {
			h.Set("Authorization", "Bearer secret")
			return nil
		}},
		Logger: slog.New(slog.DiscardHandler),
		Use: func(b *bundle.Bundle) error {
			if b.Revision == "refused" {
				return errors.New("refused")
			}
			*used = append(*used, b.Revision)
			return nil
		},
	}
}

func version(t *testing.T, revision string) []byte {
	t.Helper()
	return archive(t, map[string]string{"/.manifest": `{"revision": "` + revision + `"}`, "/a.rego": "package a\n"})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	var used []string
	f := follower(t, server.URL, &used)
	f.Persist = bundle.PersistPath(t.TempDir(), "bank/../x")
	for _, step := range []struct {
		packed []byte
		etag   string
		status int
		fails  bool
		want   string // In use so far.
	}{
		{version(t, "1"), `"1"`, 0, false, "1"},
		{version(t, "1"), `"1"`, 0, false, "1"},                   // 304.
		{version(t, "1"), `"other"`, 0, false, "1"},               // The same archive by another name.
		{nil, "", http.StatusBadGateway, true, "1"},               // Away.
		{[]byte("no archive"), `"x"`, 0, true, "1"},               // Broken: the old one stays.
		{version(t, "refused"), `"r"`, 0, true, "1"},              // Does not compile.
		{make([]byte, 2<<20), `"large"`, 0, true, "1"},            // Too large.
		{version(t, "2"), `"2"`, 0, false, "1 2"},                 // Good again.
		{nil, "", http.StatusUnauthorized, true, "1 2"},           // Not allowed any more.
		{version(t, "1"), `"1"`, 0, false, "1 2 1"},               // Put back.
		{version(t, "1"), `"1"`, http.StatusFound, true, "1 2 1"}, // A redirect to nowhere.
	} {
		s.put(step.packed, step.etag, step.status)
		err := f.Step(t.Context())
		if (err != nil) != step.fails {
			t.Errorf("%s: error %v", step.etag, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the token: %v", err)
		}
		if got := strings.Join(used, " "); got != step.want {
			t.Errorf("in use were %q, want %q", got, step.want)
		}
		if failed := f.Status().Failures > 0; failed != step.fails || !f.Status().Ready {
			t.Errorf("%s: status %+v", step.etag, f.Status())
		}
	}
	if s.unchanged != 1 || s.seen.Get("Authorization") != "Bearer secret" || s.seen.Get("Prefer") != "modes=snapshot" {
		t.Errorf("asked %d times, %d unchanged, with %v", s.asked, s.unchanged, s.seen)
	}
	kept, err := os.ReadFile(f.Persist)
	if err != nil || string(kept) != string(version(t, "1")) {
		t.Errorf("persisted are %d bytes: %v", len(kept), err)
	}
}

// TestRestart uses what was persisted while the server is away, and survives a persisted file that is broken.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := &shelf{status: http.StatusBadGateway}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		kept []byte
		want string
	}{"kept": {version(t, "7"), "7"}, "broken": {[]byte("?"), ""}, "nothing": {nil, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var used []string
			f := follower(t, server.URL, &used)
			f.Persist = filepath.Join(t.TempDir(), "bundle.tar.gz")
			if test.kept != nil {
				if err := os.WriteFile(f.Persist, test.kept, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			var pauses []time.Duration
			f.After = func(d time.Duration) <-chan time.Time {
				if pauses = append(pauses, d); len(pauses) == 12 {
					cancel()
					return nil
				}
				now := make(chan time.Time, 1)
				now <- time.Time{}
				return now
			}
			f.Run(ctx)
			if got := strings.Join(used, " "); got != test.want {
				t.Errorf("in use were %q, want %q", got, test.want)
			}
			for i, p := range pauses {
				if p > 2*time.Minute || i > 0 && p < pauses[i-1]/4 || i < 3 && p > 4*time.Second {
					t.Errorf("pauses are %v", pauses)
				}
			}
		})
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "b.tar.gz")
	source := bundle.File{Path: at, Limit: 1 << 20}
	if _, err := source.Fetch(t.Context(), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(at, version(t, "1"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := source.Fetch(t.Context(), "")
	if err != nil || first.Unchanged {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := source.Fetch(t.Context(), first.ETag); err != nil || !again.Unchanged {
		t.Errorf("%+v, %v", again, err)
	}
}
