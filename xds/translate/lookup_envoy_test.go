package translate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestLookupOnEnvoy lets a real Envoy choose among random routes, each of which answers its own name, and holds its choice
// against the naive search.
func TestLookupOnEnvoy(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	const tables, calls = 60, 40
	rc := &routev3.RouteConfiguration{Name: "lookup", IgnorePortInHostMatching: true}
	routes := map[string][]*gateway.Route{}
	for i := range tables {
		host := fmt.Sprintf("t%d.test", i)
		table := rapid.Custom(func(t *rapid.T) []*gateway.Route {
			drawn := randomRoutes(t, host)
			for _, r := range drawn {
				r.Hosts = []string{host}
			}
			return distinct(drawn)
		}).Example(i)
		routes[host] = table
		for _, placed := range newBuilder().virtualHosts("lookup", &gateway.Listener{Hosts: []string{host}}, byPattern(table), nil) {
			if placed.host.Domains[0] == host {
				rc.VirtualHosts = append(rc.VirtualHosts, nameItself(t, placed.host))
			}
		}
	}
	dir := needs.SocketDir(t)
	ask := startLookup(t, binary, dir, rc)
	for host, table := range routes {
		for i := range calls {
			c := rapid.Custom(func(t *rapid.T) call { return randomCall(t, host) }).Example(i)
			if got, want := ask(c), naive(table, c); got != want {
				t.Errorf("%s %s at %s (beta %q, tier %q): Envoy chose %s, the naive search %s; routes:\n%s",
					c.method, c.target(), c.host, c.beta, c.tier, got, want, describe(table))
			}
		}
	}
}

// nameItself makes every route of a virtual host answer with its name.
func nameItself(t *testing.T, vh *routev3.VirtualHost) *routev3.VirtualHost {
	t.Helper()
	answer := func(routes []*routev3.Route) {
		for _, r := range routes {
			r.TypedPerFilterConfig = nil
			r.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
				Status: 200, Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: r.Name}},
			}}
		}
	}
	answer(vh.Routes)
	var visit func(*xdsmatcherv3.Matcher_OnMatch)
	visit = func(on *xdsmatcherv3.Matcher_OnMatch) {
		if a := on.GetAction(); a != nil {
			list := &routev3.RouteList{}
			if err := a.TypedConfig.UnmarshalTo(list); err != nil {
				t.Fatal(err)
			}
			answer(list.Routes)
			a.TypedConfig = packed(list)
			return
		}
		inner := on.GetMatcher()
		for _, next := range inner.GetMatcherTree().GetExactMatchMap().GetMap() {
			visit(next)
		}
		for _, next := range inner.GetMatcherTree().GetPrefixMatchMap().GetMap() {
			visit(next)
		}
		visit(inner.OnNoMatch)
	}
	if vh.Matcher != nil {
		visit(&xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: vh.Matcher}})
	}
	return vh
}

// startLookup starts an Envoy with one route configuration on a socket, and returns what asks it.
func startLookup(t *testing.T, binary, dir string, rc *routev3.RouteConfiguration) func(call) string {
	t.Helper()
	socket, admin, file := filepath.Join(dir, "http.sock"), filepath.Join(dir, "admin.sock"), filepath.Join(dir, "envoy.json")
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix: "lookup", RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: rc},
		HttpFilters: []*hcmv3.HttpFilter{on(envoy.FilterRouter, &routerv3.Router{})},
	}
	config, err := envoy.RenderJSON(&bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: "lookup", Cluster: "lookup"},
		Admin: &bootstrapv3.Admin{Address: address("unix:" + admin)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: []*listenerv3.Listener{{
			Name: "lookup", Address: address("unix:" + socket),
			FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
				Name:       "envoy.filters.network.http_connection_manager",
				ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(manager)},
			}}}},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	child, err := envoy.Launch(t.Context(), envoy.Start{Binary: binary, Bootstrap: file, Admin: admin, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ready, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := child.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	t.Cleanup(client.CloseIdleConnections)
	return func(c call) string {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+c.host+c.target(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["X-Beta"] = c.beta
		var cookies []string
		for _, v := range c.tier {
			cookies = append(cookies, "tier="+v)
		}
		if cookies != nil {
			r.Header.Set("Cookie", strings.Join(cookies, "; "))
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
}
