package join_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/join"
)

// endpoints returns the addresses that an Envoy is told of, in their order; the priority stands before each.
func (n *node) endpoints() []string {
	n.house.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.place.Settings.EndpointsDir(), "gatehouse_authz.yaml"))
	if err != nil {
		return nil
	}
	var found []string
	for _, group := range strings.Split(string(text), "lb_endpoints:")[1:] {
		priority := "0"
		if m := regexp.MustCompile(`priority: (\d)`).FindStringSubmatch(group); m != nil {
			priority = m[1]
		}
		for _, m := range regexp.MustCompile(`address: "(\S+)"\n\s+port_value: (\d+)`).FindAllStringSubmatch(group, -1) {
			found = append(found, priority+" "+m[1]+":"+m[2])
		}
	}
	return found
}

func (n *node) told(want ...string) {
	n.house.t.Helper()
	var got []string
	n.house.eventually(strings.Join(want, ", "), func() bool { got = n.endpoints(); return slices.Equal(got, want) })
}

// following lets a node follow the replicas, until the test ends or stop is called.
func (n *node) following() (stop func()) {
	ctx, cancel := context.WithCancel(n.house.t.Context())
	ended := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(n.house, nil))
	go func() {
		ended <- join.Follower{Place: n.place, Kept: n.kept, Now: n.house.clock.Now, Log: log}.Run(ctx)
	}()
	stop = func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			n.house.t.Error(err)
		}
	}
	return stop
}

// TestFollow follows replicas that come and go, nearest first; what is said to be none, or makes no sense, changes nothing.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	n.kept.Zone = "one"
	stop := n.following()
	defer stop()
	n.told("0 127.0.0.1:18000")
	h.say([]string{"0.0.0.0:18000@two", "10.0.0.2:18000@one"}, nil)
	n.told("0 10.0.0.2:18000", "1 127.0.0.1:18000")
	h.say(nil, nil)
	h.eventually("an empty list is seen", func() bool { return strings.Contains(h.logged(), "no replica is named") })
	if got := n.endpoints(); len(got) != 2 {
		t.Errorf("an empty list replaced the last one: %q", got)
	}
	h.say([]string{"gatehouse.bank.test:18000", "10.0.0.3:18000"}, nil)
	n.told("0 10.0.0.3:18000")
}

// TestFollowAnother goes on with another replica when the first one dies, and renews there too.
func TestFollowAnother(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	first, gone := h.service, h.address
	h.serve(slog.New(slog.DiscardHandler))
	h.say([]string{"10.0.0.1:18000", "10.0.0.2:18000"}, []string{gone, h.address})
	stop := n.following()
	defer stop()
	n.told("0 10.0.0.1:18000", "0 10.0.0.2:18000")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := first.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	h.say([]string{"10.0.0.2:18000"}, []string{h.address})
	n.told("0 10.0.0.2:18000")
	var kept join.Kept
	h.eventually("the other replica is written down", func() bool {
		var err error
		kept, err = join.ReadKept(n.place.Settings.Dir)
		return err == nil && slices.Equal(kept.Joins, []string{h.address})
	})
	if kept.Server != gone {
		t.Errorf("the first server is %q, want %q", kept.Server, gone)
	}
	if _, err := n.place.Renew(t.Context(), kept, h.clock.Now); err != nil {
		t.Errorf("renew at the other replica: %v", err)
	}
	if err := (join.Follower{Place: n.place, Kept: kept, Now: h.clock.Now, Log: slog.New(slog.DiscardHandler)}).Once(t.Context()); err != nil {
		t.Errorf("follow once: %v", err)
	}
}

// TestDirectoryIsForNodes tells nobody without a node's certificate where the replicas are, nor one whose certificate has expired.
func TestDirectoryIsForNodes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	once := func() error {
		return join.Follower{Place: n.place, Kept: n.kept, Now: h.clock.Now, Log: slog.New(slog.DiscardHandler)}.Once(t.Context())
	}
	if err := once(); err != nil {
		t.Fatal(err)
	}
	anybody := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} //nolint:gosec // A stranger.
	response, err := anybody.Get("https://" + h.address + "/v1/directory")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("without a certificate the status is %d, %v, want 403", response.StatusCode, err)
	}
	h.clock.advance(48 * time.Hour)
	if err := once(); err == nil || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("with an expired certificate: %v", err)
	}
}
