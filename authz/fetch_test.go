package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
)

// TestFetch holds that http.send asks whom the Policy lists and nobody else, and no longer and for no more than it may.
func TestFetch(t *testing.T) {
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/risk", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, `{"low": true}`)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 2<<20)) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	other := httptest.NewServer(mux)
	defer other.Close()
	mux.Handle("/away", http.RedirectHandler(other.URL+"/risk", http.StatusFound))
	server := httptest.NewServer(mux)
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	low := func(request string) string {
		return "package a\nallow if http.send(" + strings.ReplaceAll(request, "URL", server.URL) + ").body.low"
	}
	for name, test := range map[string]struct {
		hosts  []string
		source string
		status int
		reason string
	}{
		"listed":            {[]string{at.Host}, low(`{"method": "GET", "url": "URL/risk"}`), 200, ""},
		"any port":          {[]string{"127.0.0.1"}, low(`{"method": "GET", "url": "URL/risk"}`), 200, ""},
		"another port":      {[]string{"127.0.0.1:1"}, low(`{"method": "GET", "url": "URL/risk"}`), 403, "evaluation-error"},
		"another host":      {[]string{"risk.bank.test"}, low(`{"method": "GET", "url": "URL/risk"}`), 403, "evaluation-error"},
		"error is no value": {[]string{"risk.bank.test"}, "package a\nallow if not http.send({\"method\": \"GET\", \"url\": \"" + server.URL + "/risk\"}).body.high", 403, "evaluation-error"},
		"redirected":        {[]string{at.Host}, low(`{"method": "GET", "url": "URL/away", "enable_redirect": true}`), 403, "undefined"},
		"name of loopback":  {[]string{"localhost"}, low(fmt.Sprintf(`{"method": "GET", "url": "http://localhost:%s/risk"}`, at.Port())), 403, "undefined"},
		"large":             {[]string{at.Host}, low(`{"method": "GET", "url": "URL/large"}`), 403, "undefined"},
		"slow":              {[]string{at.Host}, low(`{"method": "GET", "url": "URL/slow"}`), 403, "timeout"},
		"file":              {[]string{at.Host}, low(`{"method": "GET", "url": "URL/risk", "tls_ca_cert_file": "/etc/passwd"}`), 403, "evaluation-error"},
		"socket":            {[]string{at.Host}, low(`{"method": "GET", "url": "unix://localhost/x?socket=/run/x"}`), 403, "evaluation-error"},
	} {
		t.Run(name, func(t *testing.T) {
			route := publicRoute("r", test.source)
			route.Authorize[0].Policy.Hosts, route.Authorize[0].Policy.Limit = test.hosts, 2*time.Second
			if test.reason == "timeout" {
				route.Authorize[0].Policy.Limit = 50 * time.Millisecond
			}
			service := newServiceWith(authz.Options{})
			service.Use(compiled(t, revision(route), nil))
			if status, body := ask(t, service, checkOf("r")); status != test.status || !strings.Contains(body, test.reason) {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.reason)
			}
		})
	}
	t.Run("cached", func(t *testing.T) {
		route := publicRoute("r", low(`{"method": "GET", "url": "URL/risk", "cache": true}`))
		foreign := publicRoute("f", low(`{"method": "GET", "url": "URL/risk", "cache": true}`))
		route.Authorize[0].Policy.Hosts, route.Authorize[0].Policy.Limit = []string{at.Host}, 2*time.Second
		foreign.Authorize[0].Policy.Hosts = []string{"risk.bank.test"}
		service := newServiceWith(authz.Options{})
		service.Use(compiled(t, revision(route, foreign), nil))
		before := asked.Load()
		for range 3 {
			if status, body := ask(t, service, checkOf("r")); status != 200 {
				t.Fatal(status, body)
			}
		}
		if got := asked.Load() - before; got != 1 {
			t.Errorf("the host was asked %d times, want once", got)
		}
		if status, _ := ask(t, service, checkOf("f")); status != 403 {
			t.Error("a policy that may not ask the host reads what another was answered")
		}
	})
}

// TestSlowHostBlocksNobody holds that while a host does not answer, other requests for the same policy's other host go on.
func TestSlowHostBlocksNobody(t *testing.T) {
	hold := make(chan struct{})
	entered := make(chan struct{}, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-hold }))
	defer slow.Close()
	defer close(hold)
	fetching := publicRoute("slow", `package a`+"\nallow if http.send({\"method\": \"GET\", \"url\": \""+slow.URL+"\"}).status_code == 200")
	fetching.Authorize[0].Policy.Hosts, fetching.Authorize[0].Policy.Limit = []string{strings.TrimPrefix(slow.URL, "http://")}, 3*time.Second
	service := newServiceWith(authz.Options{})
	service.Use(compiled(t, revision(fetching, publicRoute("quick", "package a\nallow if true")), nil))
	answered := make(chan struct{}, 20)
	for range cap(answered) {
		go func() {
			_, _ = service.Check(t.Context(), checkOf("slow"))
			answered <- struct{}{}
		}()
	}
	<-entered
	start := time.Now()
	if status, body := ask(t, service, checkOf("quick")); status != 200 || time.Since(start) > time.Second {
		t.Errorf("got %d %s after %s", status, body, time.Since(start))
	}
	for range cap(answered) {
		<-answered
	}
}
