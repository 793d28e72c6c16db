package cache

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

func TestEnvoyIsServed(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)
	browser := b.browser("http")
	expect := func(client *http.Client, host, want string) {
		t.Helper()
		if got := get(client, host); got != want {
			t.Errorf("%s answers %q, want %q", host, got, want)
		}
	}
	expect(browser, "a.test", "200 one")
	expect(browser, "7.test", "200 old")

	t.Log("a change of one virtual host sends it alone")
	before := s.Counters()
	b.text("http/7", "7.test", "new")
	b.uses(s)
	sent, bytes := spent(s, before)
	size := len(s.snapshot(identity{fleet: "edge"}).get(virtualHosts, "http/7").Body().GetValue())
	t.Logf("%d bytes for a virtual host of %d", bytes, size)
	if sent != "vhost 1" || bytes > uint64(size+300) {
		t.Errorf("%q is sent, %d bytes", sent, bytes)
	}
	expect(browser, "7.test", "200 new")
	expect(browser, "8.test", "200 old")

	t.Log("a changed cluster is warm again as soon as its endpoints follow it")
	before = s.Counters()
	b.upstream("payments", backend(t, "two"), 2*time.Second)
	began := time.Now()
	b.uses(s)
	if sent, _ := spent(s, before); sent != "cluster 1, eds 1" && sent != "cluster 1, eds 2" {
		t.Errorf("%q is sent", sent)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v: Envoy waited for endpoints", took)
	}
	expect(browser, "a.test", "200 two")

	t.Log("a route configuration that comes later gets its virtual hosts")
	b.listen("late")
	b.text("late/a", "a.test", "late")
	b.uses(s)
	expect(b.browser("late"), "a.test", "200 late")

	t.Log("a refusal is shown, and nothing else is disturbed")
	b.broken("http/bad", "bad.test")
	s.Use(b.snapshot())
	refused := s.events.await(t, "node refused a response")
	t.Log(refused)
	node := s.Nodes()[0]
	if r := node.LastRefusal; node.State != StateRefused || r == nil || r.Type != TypeVirtualHost ||
		r.Suspects[0].Name != "http/bad" || r.Suspects[0].Origin != "bank.yaml:8" || !strings.Contains(r.Text, "missing ]") {
		t.Errorf("node %+v, refusal %+v", node, node.LastRefusal)
	}
	expect(browser, "7.test", "200 new")
	b.text("http/bad", "bad.test", "mended")
	b.uses(s)
	expect(browser, "bad.test", "200 mended")

	t.Log("after a restart of the server nothing is sent again")
	s.stop()
	again := &serving{events: newEvents(), socket: s.socket}
	again.Server = New(Settings{Log: slog.New(again.events)})
	again.Use(plans(s.snapshot(identity{fleet: "edge"})))
	again.listen(t)
	b.awaits(again)
	if got := again.BytesSent(); got != 0 {
		t.Errorf("%d bytes are sent", got)
	}
	node = again.Nodes()[0]
	if node.State != StateSynced || node.Envoy != envoy.Version() || node.Bootstrap != envoy.BootstrapVersion {
		t.Errorf("node %+v", node)
	}
	b.text("http/7", "7.test", "newer")
	b.uses(again)
	expect(browser, "7.test", "200 newer")
}

// While requests go on, one upstream is replaced by another again and again: new cluster, routes, old cluster away.
func TestEnvoyLosesNoRequest(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	s := serve(t, Settings{})
	b := newBankHouse(t, s)
	s.Use(b.snapshot())
	b.join(s)
	b.awaits(s)

	addresses := []string{backend(t, "x"), backend(t, "y")}
	done := make(chan struct{})
	failed := make(chan string, 1)
	requests := 0
	go func() {
		defer close(failed)
		browser := b.browser("http")
		for ; ; requests++ {
			select {
			case <-done:
				return
			default:
			}
			if got := get(browser, "a.test"); !strings.HasPrefix(got, "200") {
				failed <- fmt.Sprint("request ", requests, ": ", got)
				return
			}
		}
	}()
	former := "payments"
	for i := range 30 {
		name := fmt.Sprint("payments-", i)
		b.upstream(name, addresses[i%2], time.Second)
		b.host("http/a", "a.test", name)
		b.drop(clusters, former)
		b.drop(endpoints, former)
		former = name
		b.uses(s)
	}
	close(done)
	if failure := <-failed; failure != "" {
		t.Error(failure)
	}
	t.Logf("%d requests", requests)
	if node := s.Nodes()[0]; node.Types[0].Wanted != 1 || node.Types[0].Acknowledged != 1 {
		t.Errorf("clusters %+v", node.Types[0])
	}
}
