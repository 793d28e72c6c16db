package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"strings"
	"testing"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// farNode is a node of another host: it has joined, and shows its certificate.
type farNode struct {
	t     *testing.T
	name  string
	place join.Place
	kept  join.Kept
	tls   *tls.Config
}

// joins lets a node join the fleet edge at a server.
func joins(t *testing.T, s *server.Server, name string) *farNode {
	t.Helper()
	made, err := client(t, s).CreateToken(t.Context(), admin.Grant{Fleet: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	key, answer, err := join.Join(t.Context(), join.First{Server: s.Addrs().Join, Token: made.Text, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	n := &farNode{
		t: t, name: name, place: join.Place{Settings: envoy.Settings{Dir: needs.SocketDir(t)}},
		kept: join.Kept{Server: s.Addrs().Join, Domain: answer.Domain, Fleet: answer.Fleet, Node: answer.Node},
	}
	if err := n.place.Write(key, answer); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(answer.Certificate), key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(answer.Bundle))
	n.tls = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS13}
	return n
}

func (n *farNode) dial(s *server.Server) *grpc.ClientConn {
	n.t.Helper()
	conn, err := grpc.NewClient(s.Addrs().Nodes, grpc.WithTransportCredentials(credentials.NewTLS(n.tls)))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// follows opens a stream of xDS and one of access logs, and tells when each has ended, and why.
func (n *farNode) follows(s *server.Server) (ended <-chan error) {
	n.t.Helper()
	conn := n.dial(s)
	xds, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	if err := xds.Send(&discoveryv3.DeltaDiscoveryRequest{Node: nodeNamed(n.name), TypeUrl: cache.TypeListener}); err != nil {
		n.t.Fatal(err)
	}
	if _, err := xds.Recv(); err != nil {
		n.t.Fatal(err)
	}
	log, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	over := make(chan error, 2)
	go func() {
		for {
			if _, err := xds.Recv(); err != nil {
				over <- err
				return
			}
		}
	}()
	go func() { over <- log.RecvMsg(&alsv3.StreamAccessLogsResponse{}) }()
	return over
}

// calls are one call to each service that Envoys use.
func calls() map[string]func(ctx context.Context, c *grpc.ClientConn) error {
	return map[string]func(ctx context.Context, c *grpc.ClientConn) error{
		"xds": func(ctx context.Context, c *grpc.ClientConn) error {
			stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(c).DeltaAggregatedResources(ctx)
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"authz": func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := authv3.NewAuthorizationClient(c).Check(ctx, &authv3.CheckRequest{})
			return err
		},
		"limits": func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := rlsv3.NewRateLimitServiceClient(c).ShouldRateLimit(ctx, &rlsv3.RateLimitRequest{})
			return err
		},
		"access logs": func(ctx context.Context, c *grpc.ClientConn) error {
			stream, err := alsv3.NewAccessLogServiceClient(c).StreamAccessLogs(ctx)
			if err == nil {
				err = stream.RecvMsg(&alsv3.StreamAccessLogsResponse{})
			}
			return err
		},
	}
}

// cut reports whether a call failed because the connection was, and not by what a service answered.
func cut(err error) bool {
	return err != nil && regexp.MustCompile("bad certificate|broken pipe|connection reset|EOF").MatchString(err.Error())
}

// refused checks that each service refuses a node on a connection of its own, and that it is given no certificate any more.
func (n *farNode) refused(s *server.Server) {
	n.t.Helper()
	for service, call := range calls() {
		ctx, cancel := context.WithTimeout(n.t.Context(), patience)
		if err := call(ctx, n.dial(s)); !cut(err) || ctx.Err() != nil {
			n.t.Errorf("%s: a revoked certificate: %v", service, err)
		}
		cancel()
	}
	n.kept.Server = s.Addrs().Join
	if _, err := n.place.Renew(n.t.Context(), n.kept, time.Now); err == nil || !strings.Contains(err.Error(), "revoked") {
		n.t.Errorf("a revoked certificate was renewed: %v", err)
	}
}

// TestNodesAreRevoked has a node with streams to two replicas, and revokes it at one of them: its streams end at both in less
// than a second, and no door lets it in. Another node notices nothing, and the node may join anew.
func TestNodesAreRevoked(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, func(o *server.Options) { o.Remote = server.Remote{Nodes: "127.0.0.1:0", Join: "127.0.0.1:0"} })
	r.serving(1)
	bad, good := joins(t, r.all[0], "edge-1"), joins(t, r.all[0], "edge-2")
	goodEnds := good.follows(r.all[1])
	ends := []<-chan error{bad.follows(r.all[0]), bad.follows(r.all[1])}
	if _, err := bad.place.Renew(t.Context(), bad.kept, time.Now); err != nil {
		t.Fatal(err) // The renewed one is revoked too.
	}
	c := client(t, r.all[0])
	began := time.Now()
	made, err := c.RevokeNode(t.Context(), "edge", "edge-1", admin.RevocationWish{Reason: "stolen"})
	if err != nil {
		t.Fatal(err)
	}
	for i, ended := range ends {
		for range 2 {
			select {
			case err := <-ended:
				if err == nil {
					t.Error("a stream ended in order")
				}
			case <-time.After(patience):
				t.Fatalf("a stream to %s goes on", r.names[i])
			}
		}
	}
	took := time.Since(began)
	t.Logf("all streams ended after %v", took)
	if took > time.Second {
		t.Errorf("streams ended after %v, want less than a second", took)
	}
	if made.Author == "" || made.Before.IsZero() {
		t.Errorf("revocation: %+v", made)
	}
	for _, s := range r.all {
		bad.refused(s)
	}
	select {
	case err := <-goodEnds:
		t.Errorf("another node's stream ended: %v", err)
	default:
	}
	good.follows(r.all[0])
	for _, service := range []string{"authz", "limits"} {
		if err := calls()[service](t.Context(), good.dial(r.all[0])); cut(err) {
			t.Errorf("%s: another node is refused: %v", service, err)
		}
	}

	again := joins(t, r.all[1], "edge-1")
	again.follows(r.all[1])
	if _, err := again.place.Renew(t.Context(), again.kept, time.Now); err != nil {
		t.Errorf("who has joined anew cannot renew: %v", err)
	}
	kept, err := c.Certificates(t.Context(), "edge", "edge-1")
	if err != nil || len(kept) != 4 {
		t.Fatalf("%d certificates, %v, want 4", len(kept), err)
	}
	for i, want := range []bool{false, false, true, true} {
		if kept[i].Revoked.IsZero() == want {
			t.Errorf("certificate %d of 4: %+v", i, kept[i])
		}
	}
	if kept[3].Token == "" || kept[2].Renews != kept[3].Serial {
		t.Errorf("by which they were given: %+v", kept)
	}
}

// TestRevokedStaysRevoked revokes one certificate of a daemon that stands alone, and starts that anew.
func TestRevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", gatewayDocument)
	o := server.Options{Config: dir, State: needs.SocketDir(t), Remote: server.Remote{Nodes: "127.0.0.1:0", Join: "127.0.0.1:0"}}
	s := start(t, o)
	n := joins(t, s, "edge-1")
	c := client(t, s)
	kept, err := c.Certificates(t.Context(), "", "")
	if err != nil || len(kept) != 1 {
		t.Fatalf("%d certificates, %v", len(kept), err)
	}
	ended := n.follows(s)
	if _, err := c.RevokeNode(t.Context(), "edge", "edge-1", admin.RevocationWish{Serial: kept[0].Serial}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a stream ended in order")
	}
	n.refused(s)
	stop(t, s)
	s = start(t, o)
	n.refused(s)
	other := joins(t, s, "edge-1") // Another certificate of the same node.
	other.follows(s)
}
