package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/version"
	"github.com/gatehouse/gatehouse/store"
)

// AdminTLS are the files by which the management API is served over TLS.
type AdminTLS struct {
	Certificate, Key string // PEM; read again when they change.
	ClientCA         string // PEM of who signs the certificates of clients; empty: clients need none, and none counts.
}

// firstTokenFile is where the first access token is written, in the state directory.
const firstTokenFile = "admin-token"

// firstTokenLife is how long the first access token is good.
const firstTokenLife = accessLifeMax

// certificateFresh is how long a certificate is not looked for in its file again.
const certificateFresh = 10 * time.Second

// adminDoor serves the management API on a listener.
func (s *Server) adminDoor(ctx context.Context, l net.Listener) (door, error) {
	rules, err := newRoles(ctx)
	if err != nil {
		return door{}, err
	}
	issuers, err := admin.NewIssuers(s.options.Callers.Issuers, s.options.Now)
	if err != nil {
		return door{}, err
	}
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_admin_failures_total", Help: "Requests to the management API that failed by a mistake in Gatehouse; the log has each.",
	})
	if err := s.registry.Register(failures); err != nil {
		return door{}, fmt.Errorf("count failures of the management API: %w", err)
	}
	m := management{s}
	service, err := admin.New(admin.Options{
		Ready: s, Nodes: m, Revisions: m, Explain: m, Rollouts: m, Changes: m, Endpoints: m, Tokens: m, Authority: m, Export: m, Access: m, Accounts: m, Limits: m, Replicas: m, Certificates: m, Usage: m, Decisions: m,
		Callers: callers{s, s.shown, issuers}, Roles: rules, Journal: &journal{Server: s}, Events: s.events, Owner: s.owner, Failed: failures.Inc,
		Metrics: promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}),
		Version: version.Read().Version,
		Token:   s.options.AdminToken,
		Hosts:   s.options.AdminHosts,
		Logger:  s.log,
	})
	if err != nil {
		return door{}, err
	}
	return door{name: "admin", serve: func() error { return service.Serve(l) }, stop: service.Stop, close: l.Close}, nil
}

// bindAdmin listens for the management API: on a Unix socket, on loopback, or with TLS anywhere.
func (s *Server) bindAdmin(ctx context.Context, address string) (net.Listener, string, error) {
	files := s.options.AdminTLS
	if strings.HasPrefix(address, envoy.SocketScheme) || files == (AdminTLS{}) {
		l, bound, err := s.bind(ctx, "admin", address)
		if err == nil && !strings.HasPrefix(address, envoy.SocketScheme) {
			err = s.firstToken(ctx)
		}
		return l, bound, err
	}
	settings, err := files.settings(s.options.Now)
	if err != nil {
		return nil, "", err
	}
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, "", fmt.Errorf("the address %q is neither unix:/path nor IP:port", address)
	}
	l, err := s.bindTLS(ctx, "admin", address)
	if err != nil {
		return nil, "", err
	}
	if err := s.firstToken(ctx); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return tls.NewListener(l, settings), l.Addr().String(), nil
}

// settings returns how to speak TLS.
func (f AdminTLS) settings(now func() time.Time) (*tls.Config, error) {
	chain := &servedChain{files: f, now: now}
	if _, err := chain.get(nil); err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: chain.get, NextProtos: []string{"http/1.1"}, Time: now}
	if f.ClientCA == "" {
		return settings, nil
	}
	text, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("the authority of the management API's clients: %w", err)
	}
	settings.ClientCAs = x509.NewCertPool()
	if !settings.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the authority of the management API's clients: there is no certificate in %s", f.ClientCA)
	}
	settings.ClientAuth = tls.VerifyClientCertIfGiven
	return settings, nil
}

// servedChain is the certificate of the door, read again now and then. What cannot be read does not take its place.
type servedChain struct {
	files AdminTLS
	now   func() time.Time
	mu    sync.Mutex
	last  *tls.Certificate
	read  time.Time
}

func (c *servedChain) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.now().Sub(c.read) < certificateFresh {
		return c.last, nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	c.read = c.now()
	switch {
	case err == nil:
		c.last = &pair
	case c.last == nil:
		return nil, fmt.Errorf("the management API's certificate: %w", err)
	}
	return c.last, nil
}

// firstToken makes an access token of an admin, and writes it where only this user reads it, when the management API is served over
// TCP and nothing else would let anybody in there.
func (s *Server) firstToken(ctx context.Context) error {
	if s.options.AdminToken != "" || len(s.options.Callers.Issuers)+len(s.options.Callers.Certificates) > 0 {
		return nil
	}
	path := filepath.Join(s.options.State, firstTokenFile)
	made := false
	err := s.store.Together(ctx, func(ctx context.Context, kept *store.Store) error {
		tokens, err := kept.Access.List(ctx)
		if err != nil {
			return err
		}
		now := s.options.Now()
		for _, t := range tokens {
			if t.Revoked.IsZero() && now.Before(t.Expires) {
				return nil
			}
		}
		id, secret, text := newSecret()
		_, err = kept.Access.Create(ctx, store.AccessToken{
			ID: id, Name: "first", Role: string(admin.Admin), Author: "the first start", Expires: now.Add(firstTokenLife),
		}, secret)
		if err != nil {
			return err
		}
		made = true
		return writeSecret(path, text) // Before the store confirms: a token that nobody knows would keep the next start from making one.
	})
	if err != nil {
		return fmt.Errorf("make the first access token: %w", err)
	}
	if made {
		s.log.Info("the first access token was made", "file", path)
	}
	return nil
}

// writeSecret writes a secret into a file that only this user reads.
func writeSecret(path, text string) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text + "\n")
	if err := errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
