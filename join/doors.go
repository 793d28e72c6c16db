package join

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// served is the certificate of Gatehouse's own doors.
type served struct {
	trust  *trust // By which it was made.
	hosts  string
	renew  time.Time
	toNode *tls.Certificate // With what is above it.
	toAll  *tls.Certificate // With the roots too, for who knows only a pin.
}

// NodeTLS returns the settings of a door for nodes alone: TLS 1.3, the certificate of a node of this trust domain asked for
// and verified by the roots of that moment. hosts are the names in the door's own certificate, which renews itself.
func (a *Authority) NodeTLS(hosts []string) *tls.Config {
	c := a.tls(hosts, func(s *served) *tls.Certificate { return s.toNode })
	c.ClientAuth = tls.RequireAnyClientCert // Verified below, by the roots of that moment.
	c.VerifyConnection = func(s tls.ConnectionState) error {
		_, err := a.Verify(s.PeerCertificates)
		return err
	}
	c.NextProtos = []string{"h2"}
	return c
}

// JoinTLS returns the settings of the door at which nodes join and renew: a certificate is looked at where one is shown.
func (a *Authority) JoinTLS(hosts []string) *tls.Config {
	c := a.tls(hosts, func(s *served) *tls.Certificate { return s.toAll })
	c.ClientAuth = tls.RequestClientCert // What it is good for, the call decides.
	return c
}

func (a *Authority) tls(hosts []string, which func(*served) *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true, // A resumed session would outlive what it was verified by.
		Time:                   a.options.Now,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			s, err := a.serving(hosts)
			if err != nil {
				return nil, err
			}
			return which(s), nil
		},
	}
}

// serving returns the doors' own certificate, made anew at two thirds of its life and when another root signs.
func (a *Authority) serving(hosts []string) (*served, error) {
	t, key := a.trust.Load(), strings.Join(hosts, " ")
	if s := a.served.Load(); s != nil && s.trust == t && s.hosts == key && a.options.Now().Before(s.renew) {
		return s, nil
	}
	s, err := a.serve(t, hosts)
	if err != nil {
		return nil, err
	}
	s.hosts = key
	a.served.Store(s)
	return s, nil
}

func (a *Authority) serve(t *trust, hosts []string) (*served, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the doors' key: %w", err)
	}
	uri, err := url.Parse(ServerURI(a.options.Domain))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{URIs: []*url.URL{uri}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	named(template, hosts)
	leaf, expires, err := a.sign(t, key.Public(), template)
	if err != nil {
		return nil, err
	}
	chain := append([][]byte{leaf}, t.above...)
	whole := slices.Clone(chain)
	for _, r := range t.roots {
		whole = append(whole, r.Raw)
	}
	return &served{
		trust: t, renew: renewalOf(template.NotBefore, expires),
		toNode: &tls.Certificate{Certificate: chain, PrivateKey: key},
		toAll:  &tls.Certificate{Certificate: whole, PrivateKey: key},
	}, nil
}

// renewalOf returns when a certificate is to be replaced: at two thirds of its life.
func renewalOf(from, to time.Time) time.Time { return from.Add(to.Sub(from) / 3 * 2) }

// Verify returns which node a chain of certificates proves, now. The first is the node's own.
func (a *Authority) Verify(chain []*x509.Certificate) (Identity, error) {
	return a.verify(chain, a.options.Now())
}

// VerifyForRenewal is Verify for one who renews: the certificate may have expired, but not longer ago than the window. Who
// shows it in a TLS handshake has proved the key.
func (a *Authority) VerifyForRenewal(chain []*x509.Certificate) (Identity, error) {
	now := a.options.Now()
	if len(chain) > 0 && now.After(chain[0].NotAfter) {
		if now.After(chain[0].NotAfter.Add(a.options.Window)) {
			return Identity{}, ErrExpired
		}
		now = chain[0].NotAfter
	}
	return a.verify(chain, now)
}

func (a *Authority) verify(chain []*x509.Certificate, at time.Time) (Identity, error) {
	if len(chain) == 0 {
		return Identity{}, errors.New("no certificate is shown: join with \"gatehouse nodes join\"")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: a.trust.Load().pool, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return Identity{}, fmt.Errorf("the certificate is not accepted: %w", err)
	}
	id, err := identityOf(chain[0], a.options.Domain)
	if err == nil && a.revoked.refused(shownOf(chain[0], id)) {
		err = ErrRevoked
	}
	return id, err
}
