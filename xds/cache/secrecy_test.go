package cache

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/internal/testcert"
)

// TestKeysGoOnlyWhereNobodyListens asks for a secret over every kind of connection.
func TestKeysGoOnlyWhereNobodyListens(t *testing.T) {
	t.Parallel()
	chain, key, err := testcert.Make(testcert.Settings{Hosts: []string{"xds.test"}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(chain)
	server := func(asks tls.ClientAuthType) grpc.ServerOption {
		return grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: asks, ClientCAs: trusted, MinVersion: tls.VersionTLS13}))
	}
	client := func(shows ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{RootCAs: trusted, ServerName: "xds.test", Certificates: shows, MinVersion: tls.VersionTLS13})
	}
	for _, test := range []struct {
		name, network string
		server        grpc.ServerOption
		client        credentials.TransportCredentials
		gets          bool
	}{
		{"a Unix socket", "unix", grpc.EmptyServerOption{}, insecure.NewCredentials(), true},
		{"plain TCP on loopback", "tcp", grpc.EmptyServerOption{}, insecure.NewCredentials(), false},
		{"TLS of a client that shows nothing", "tcp", server(tls.VerifyClientCertIfGiven), client(), false},
		{"mutual TLS", "tcp", server(tls.RequireAndVerifyClientCert), client(own), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Settings{})
			s.Use(plans(shot(t, "secret:bank@hunter2 cluster:a@1")))
			c := s.by(t, test.network, test.server, test.client)
			say(t, c, hello("edge", "edge-1"))
			if r := hear(t, c); len(r.GetResources()) != 1 {
				t.Fatalf("the clusters are %v", r)
			}
			opens(t, c, TypeSecret, nil, "bank")
			r := hear(t, c)
			for r.GetTypeUrl() != TypeSecret {
				r = hear(t, c)
			}
			if got := strings.Contains(r.String(), "hunter2"); got != test.gets || len(r.GetResources()) > 0 != test.gets {
				t.Errorf("the secret is sent: %t, want %t", got, test.gets)
			}
			if !test.gets {
				if len(r.GetRemovedResources()) != 1 {
					t.Errorf("the node is not told that there is none: %v", r)
				}
				s.events.await(t, "node gets no certificates: private keys go only through a Unix socket or over mutual TLS")
			}
		})
	}
}

// by serves ADS on another listener and opens a stream there.
func (s *serving) by(t *testing.T, network string, server grpc.ServerOption, client credentials.TransportCredentials) deltaClient {
	t.Helper()
	target := "unix:" + s.socket
	if network == "tcp" {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		g := grpc.NewServer(server)
		s.Register(g)
		ended := make(chan error, 1)
		go func() { ended <- g.Serve(l) }()
		t.Cleanup(func() {
			g.Stop()
			if err := <-ended; err != nil {
				t.Errorf("serve: %v", err)
			}
		})
		target = l.Addr().String()
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(client))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestRefusalsHoldNoKeys feeds Envoy's words about secrets to what is kept of them.
func TestRefusalsHoldNoKeys(t *testing.T) {
	t.Parallel()
	_, key, err := testcert.Make(testcert.Settings{Hosts: []string{"a.test"}})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Split(string(key), "\n")[1]
	for _, text := range []string{
		"Failed to load private key from <inline>: " + string(key),
		strings.TrimSuffix(string(key), "-----END PRIVATE KEY-----\n"),
		`inline_bytes: "` + strings.ReplaceAll(string(key), "\n", `\n`) + `"`,
		`private_key { inline_bytes: "` + body + `" } : ` + constraint + ` (...)`,
	} {
		if cleaned := cleanText(text); strings.Contains(cleaned, body) {
			t.Errorf("%q is kept of %q", cleaned, text)
		}
	}
}
