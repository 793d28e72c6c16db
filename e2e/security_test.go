//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// leastMutations is how many mistakes the cases have at least: a test that tries fewer than it did has lost something.
const leastMutations = 500

// TestNoSecuritySettingIsAlone makes every mistake that can be made in one security setting of every golden, and sees a real
// Envoy refuse what it refused before: a setting that is missing or misspelt opens nothing. Where the setting yields what
// the guard asks for, it lets nobody through at all.
func TestNoSecuritySettingIsAlone(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	dir := needs.SocketDir(t)
	cases := goldenCases(t)
	attempts, bootstrap, refused := attempts(t, binary, dir, cases)
	stopServices := startServices(t, dir, cases)
	startStatic(t, binary, dir, bootstrap)

	for _, a := range attempts {
		a.run(t, false)
	}
	stopServices()
	for _, a := range attempts {
		a.run(t, true)
	}
	tried := len(attempts) + refused - len(cases)
	t.Logf("%d mistakes in %d goldens tried, %d of them refused by Envoy at once", tried, len(cases), refused)
	if tried < leastMutations {
		t.Errorf("%d mistakes tried, want at least %d", tried, leastMutations)
	}
}

// attempts returns a listener for each mistake of each case and one without, and the bootstrap that holds them all. refused
// counts the mistakes with which Envoy does not start at all.
func attempts(t *testing.T, binary, dir string, cases []*goldenCase) (all []*attempt, bootstrap *bootstrapv3.Bootstrap, refused int) {
	t.Helper()
	lax := laxRoutes(cases)
	for _, c := range cases {
		static := c.static(t, dir)
		if bootstrap == nil {
			bootstrap = proto.CloneOf(static)
			bootstrap.StaticResources.Listeners = nil
		}
		addClusters(bootstrap, static)
		original := static.StaticResources.Listeners[0]
		probes := c.probes()
		try := func(m *mutation, l *listenerv3.Listener, probes []probe) {
			a := &attempt{mutation: m, goldenCase: c, socket: filepath.Join(dir, strconv.Itoa(len(all))), probes: probes}
			l.Name = a.socket
			l.Address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: a.socket}}}
			l.ListenerFilters = slices.DeleteFunc(l.ListenerFilters, func(f *listenerv3.ListenerFilter) bool {
				return f.Name == "envoy.filters.listener.proxy_protocol" // The probes do not speak it.
			})
			if m != nil && m.mayRefuse && refuses(t, binary, static, l) {
				refused++
				return
			}
			bootstrap.StaticResources.Listeners = append(bootstrap.StaticResources.Listeners, l)
			all = append(all, a)
		}
		try(nil, proto.CloneOf(original), probes)
		for _, m := range mutations(c, lax) {
			concerned := slices.DeleteFunc(slices.Clone(probes), func(p probe) bool { return !m.concerns(p.route) })
			if len(concerned) > 0 {
				try(&m, m.apply(t, original), concerned)
			}
		}
	}
	toBackend(t, bootstrap)
	return all, bootstrap, refused
}

// laxRoutes returns the routes whose policy allows everybody who knows one header, which all callers in these tests do who
// prove anything.
func laxRoutes(cases []*goldenCase) []*gateway.Route {
	i := slices.IndexFunc(cases, func(c *goldenCase) bool { return c.name == "public-policy" })
	return slices.DeleteFunc(slices.Clone(cases[i].revision.Routes), func(r *gateway.Route) bool { return !r.CallsAuthorization() })
}

// probes returns a request for each route that forwards, or answers what is no call of gRPC.
func (c *goldenCase) probes() []probe {
	var probes []probe
	for _, r := range c.revision.Routes {
		if r.Action == gateway.ActionForward && !r.Match.GRPC { // A call that is refused is answered with 200 and a status of gRPC.
			p := newProbe(r)
			if r.Gateway.Listeners[0].TLS != nil {
				p.url = strings.Replace(p.url, "http:", "https:", 1)
			}
			probes = append(probes, p)
		}
	}
	return probes
}

// addClusters adds the clusters of a case that are not there yet.
func addClusters(bootstrap, static *bootstrapv3.Bootstrap) {
	for _, c := range static.StaticResources.Clusters {
		known := func(other *clusterv3.Cluster) bool { return other.Name == c.Name }
		if !slices.ContainsFunc(bootstrap.StaticResources.Clusters, known) {
			bootstrap.StaticResources.Clusters = append(bootstrap.StaticResources.Clusters, c)
		}
	}
}

// refuses reports whether Envoy refuses to start with a listener in place of the case's own.
func refuses(t *testing.T, binary string, static *bootstrapv3.Bootstrap, l *listenerv3.Listener) bool {
	t.Helper()
	with := proto.CloneOf(static)
	with.StaticResources.Listeners = []*listenerv3.Listener{l}
	config, err := envoy.RenderJSON(with)
	if err != nil {
		t.Fatal(err)
	}
	err = envoy.Validate(t.Context(), binary, config)
	if err != nil && !errors.Is(err, envoy.ErrRefused) {
		t.Fatal(err)
	}
	return err != nil
}

// toBackend makes one backend the only endpoint of every upstream.
func toBackend(t *testing.T, bootstrap *bootstrapv3.Bootstrap) {
	t.Helper()
	address, _ := backend(t, "bank", "")
	endpoint, err := envoy.Address(address)
	if err != nil {
		t.Fatal(err)
	}
	own := []string{envoy.ClusterAuthz, envoy.ClusterRateLimit, envoy.ClusterAccessLog}
	for _, c := range bootstrap.StaticResources.Clusters {
		if slices.Contains(own, c.Name) {
			continue
		}
		// The backend speaks plainly, whatever the upstream's own endpoints do.
		c.HealthChecks, c.OutlierDetection, c.CommonLbConfig, c.TransportSocket, c.TypedExtensionProtocolOptions = nil, nil, nil, nil, nil
		c.LoadAssignment.Endpoints = []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: endpoint}},
		}}}}
	}
}

// startServices serves the authorization and the limits of all cases together, and returns what ends both.
func startServices(t *testing.T, dir string, cases []*goldenCase) (stop func()) {
	t.Helper()
	all := &gateway.Revision{ID: "goldens"}
	for _, c := range cases {
		for _, r := range c.revision.Routes {
			r := *r
			r.Limits = slices.Clone(r.Limits)
			for i := range r.Limits {
				r.Limits[i].Windows[0].Limit = 1 << 20 // No limit is reached here: 429 would hide an opening.
			}
			all.Routes = append(all.Routes, &r)
		}
	}
	decisions, faults := authz.Compile(all, nil)
	limits, more := ratelimit.Compile(all, nil)
	if len(faults)+len(more) > 0 {
		t.Fatal(faults, more)
	}
	log := slog.New(slog.DiscardHandler)
	authorization, limiting := authz.New(authz.Options{Logger: log, Limit: time.Second}), ratelimit.New(memory.New(memory.Options{Clock: time.Now}), log, time.Now)
	authorization.Use(decisions)
	limiting.Use(limits)
	servers := []*grpc.Server{
		serveGRPC(t, filepath.Join(dir, "authz.sock"), authorization), serveGRPC(t, filepath.Join(dir, "ratelimit.sock"), limiting),
	}
	return func() {
		for _, s := range servers {
			s.Stop()
		}
	}
}

// serveGRPC serves a service on a socket until the test ends.
func serveGRPC(t *testing.T, socket string, service interface{ Register(grpc.ServiceRegistrar) }) *grpc.Server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	service.Register(s)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("%s: %v", socket, err)
		}
	})
	return s
}

// startStatic starts an Envoy with a bootstrap as it is; it ends with the test.
func startStatic(t *testing.T, binary, dir string, bootstrap *bootstrapv3.Bootstrap) {
	t.Helper()
	admin, file := filepath.Join(dir, "admin.sock"), filepath.Join(dir, "envoy.pb")
	bootstrap.Admin = &bootstrapv3.Admin{Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: admin}}}}
	config, err := proto.Marshal(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	child, err := envoy.Launch(context.WithoutCancel(t.Context()), envoy.Start{
		Binary: binary, Bootstrap: file, Admin: admin, Log: slog.New(slog.DiscardHandler), LogLevel: "error",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := child.Stop(ctx, 0); err != nil && !errors.Is(err, envoy.ErrEnded) {
			t.Errorf("stop envoy: %v", err)
		}
	})
	ready, cancel := context.WithTimeout(t.Context(), 5*patience) // There are hundreds of listeners.
	defer cancel()
	if err := child.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
}
