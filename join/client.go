package join

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// ErrAway tells that the joining service could not be reached, or could not do it now: another try may succeed.
var ErrAway = errors.New("no answer from the joining service")

// client asks one joining service whose certificate it verifies its own way.
type client struct {
	server  string
	now     func() time.Time
	http    *http.Client
	remote  netip.Addr // Of the server, once it has answered.
	strange error      // Why the server is not believed to be the right one.
}

// newClient returns a client; verify judges the server's certificates, pair is shown if it is not nil.
func newClient(server string, now func() time.Time, verify func([]*x509.Certificate) error, pair *tls.Certificate) (*client, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("the server %q must be HOST:port", server)
	}
	c := &client{server: server, now: now}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		// Not the system's roots and not the host's name prove this server, but the pinned or the trusted roots and its SPIFFE id,
		// which VerifyConnection looks at in every handshake.
		InsecureSkipVerify: true, //nolint:gosec // See above.
		VerifyConnection: func(s tls.ConnectionState) error {
			c.strange = verify(s.PeerCertificates)
			return c.strange
		},
	}
	if pair != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	dialer := net.Dialer{Timeout: headerTimeout}
	c.http = &http.Client{Timeout: callTimeout, Transport: &http.Transport{
		Proxy: nil, DisableKeepAlives: true, TLSHandshakeTimeout: headerTimeout, TLSClientConfig: config,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			raw, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				if at, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
					c.remote = at.Addr()
				}
			}
			return raw, err
		},
	}}
	return c, nil
}

// verifyServer judges a server's certificates by roots: the first must be Gatehouse's own, of the trust domain.
func verifyServer(chain []*x509.Certificate, roots *x509.CertPool, domain string, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("the server shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}); err != nil {
		return fmt.Errorf("the server's certificate is not accepted: %w", err)
	}
	id, err := spiffeOf(chain[0])
	if err != nil {
		return err
	}
	if id.String() != ServerURI(domain) {
		return fmt.Errorf("the server is %s, not %s", id, ServerURI(domain))
	}
	return nil
}

// verifyPinned judges a server's certificates by the pin of a token.
func verifyPinned(chain []*x509.Certificate, t Ticket, now time.Time) error {
	roots, found := x509.NewCertPool(), false
	for _, c := range chain[min(1, len(chain)):] {
		if c.IsCA && pinOf(c) == t.Pin {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return ErrPin
	}
	return verifyServer(chain, roots, t.Domain, now)
}

// call sends a call and reads the answer.
func (c *client) call(ctx context.Context, path string, what any) (Answer, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return Answer{}, fmt.Errorf("ask the joining service: %w", err)
	}
	var a Answer
	if err := c.exchange(ctx, http.MethodPost, path, body, &a); err != nil {
		return Answer{}, err
	}
	a.Directory = a.placed(c.remote)
	return a, nil
}

// exchange sends a call and reads the answer into a value.
func (c *client) exchange(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, "https://"+c.server+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the joining service: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(r)
	if c.strange != nil {
		return fmt.Errorf("%s is not trusted: %w", c.server, c.strange)
	}
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrAway, c.server, err)
	}
	defer func() { _ = response.Body.Close() }() // Only read from.
	text, err := io.ReadAll(io.LimitReader(response.Body, bodyMax))
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrAway, c.server, err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refused(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("what answers at %s is not Gatehouse's joining service", c.server)
	}
	return nil
}

// refused returns what a problem document says. A server that cannot now may be asked again.
func (c *client) refused(status int, body []byte) error {
	var p gateway.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
		return fmt.Errorf("what answers at %s is not Gatehouse's joining service: status %d", c.server, status)
	}
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return fmt.Errorf("%w at %s: %s", ErrAway, c.server, p.Detail)
	}
	return fmt.Errorf("%s refuses: %s", c.server, p.Detail)
}

// placed fills in the server's own address where something is said to be at any, and names each address once.
func (d Directory) placed(remote netip.Addr) Directory {
	at := func(addresses []string) []string {
		var out []string
		for _, address := range addresses {
			plain, zone, _ := strings.Cut(address, "@")
			if parsed, err := netip.ParseAddrPort(plain); err == nil && parsed.Addr().IsUnspecified() && remote.IsValid() {
				address = envoy.Zoned(netip.AddrPortFrom(remote.Unmap(), parsed.Port()).String(), zone)
			}
			if !slices.Contains(out, address) {
				out = append(out, address)
			}
		}
		return out
	}
	d.Services, d.Joins = at(d.Services), at(d.Joins)
	return d
}
