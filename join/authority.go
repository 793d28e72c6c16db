package join

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of an Authority.
const (
	DefaultDomain = "gatehouse.internal"
	DefaultLife   = 24 * time.Hour
	// DefaultWindow is how long after its end a certificate may still be renewed, by proof of its key.
	DefaultWindow = 7 * 24 * time.Hour

	rootLife = 10 * 365 * 24 * time.Hour
	// renewBefore is which share of a root's life is left when the next one is made.
	renewBefore = 5
)

// Options of an Authority.
type Options struct {
	Domain string           // The trust domain; empty: DefaultDomain.
	Life   time.Duration    // Of the certificates of nodes and of Gatehouse's own; 0: DefaultLife.
	Window time.Duration    // How long after its end a certificate may still be renewed; 0: DefaultWindow; below 0: not at all.
	Now    func() time.Time // nil: time.Now.
	Log    *slog.Logger     // nil: nothing is logged.
}

func (o Options) withDefaults() (Options, error) {
	if o.Domain == "" {
		o.Domain = DefaultDomain
	}
	if o.Life == 0 {
		o.Life = DefaultLife
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	o.Window = max(o.Window, 0)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Life < time.Second {
		return o, fmt.Errorf("certificates that live for %s end before they are used: give them a second at least", o.Life)
	}
	return o, CheckDomain(o.Domain)
}

// Authority issues certificates and says which are to be trusted: the built-in one, whose roots a store keeps, or one's own
// from files. Its methods may be called by many at once.
type Authority struct {
	options Options
	load    func(context.Context) (*trust, error) // Reads what is trusted, after doing what is due.
	roots   Roots                                 // nil: from files.

	changing sync.Mutex // One Tend or Rotate at a time.
	revoked  revoked
	trust    atomic.Pointer[trust]
	served   atomic.Pointer[served]
}

// trust is who signs now, and whom to believe. Nothing changes it.
type trust struct {
	signing *certificate
	above   [][]byte            // DER; sent behind each leaf, for those who know only what is above or before it.
	roots   []*x509.Certificate // The trust bundle.
	pool    *x509.CertPool
	bundle  []byte // The same as PEM.
}

// newTrust puts the parts together.
func newTrust(signing *certificate, above [][]byte, roots []*x509.Certificate) *trust {
	t := &trust{signing: signing, above: above, roots: roots, pool: x509.NewCertPool()}
	for _, r := range roots {
		t.pool.AddCert(r)
		t.bundle = append(t.bundle, toPEM(r.Raw)...)
	}
	return t
}

// equal tells whether the same signs and the same is trusted.
func (t *trust) equal(u *trust) bool {
	return t.signing.Equal(u.signing.Certificate) && bytes.Equal(t.bundle, u.bundle) && slices.EqualFunc(t.above, u.above, bytes.Equal)
}

// Open returns the built-in authority. Where no roots are kept it makes the first.
func Open(ctx context.Context, kept Roots, o Options) (*Authority, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Authority{options: o, roots: kept}
	a.load = a.tendRoots
	return a, a.Tend(ctx)
}

// Tend does what is due: reads what others changed, makes the next root in time, lets it sign once everybody knows it, and
// forgets what nobody can show any more. It is to be called now and then; certificates are issued without it too.
func (a *Authority) Tend(ctx context.Context) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	t, err := a.load(ctx)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	a.follow(t)
	return nil
}

// follow trusts what was read. Where nothing changed it keeps what there is, and with it the doors' certificate.
func (a *Authority) follow(t *trust) {
	if before := a.trust.Load(); before == nil || !before.equal(t) {
		a.trust.Store(t)
	}
}

// Every returns how often Tend should be called.
func (a *Authority) Every() time.Duration {
	const share, most = 10, 10 * time.Minute
	return min(a.options.Life/share, most)
}

// Domain returns the trust domain.
func (a *Authority) Domain() string { return a.options.Domain }

// Life returns how long the certificates of nodes live.
func (a *Authority) Life() time.Duration { return a.options.Life }

// Expires returns when the certificate that signs does.
func (a *Authority) Expires() time.Time { return a.trust.Load().signing.NotAfter }

// Bundle returns the certificates of all trusted roots as PEM.
func (a *Authority) Bundle() []byte { return a.trust.Load().bundle }

// Pin returns the SHA-256 of the public key (SubjectPublicKeyInfo, as RFC 7469 pins it) of the root above the key that signs.
func (a *Authority) Pin() (Pin, error) {
	t := a.trust.Load()
	between := x509.NewCertPool()
	for _, raw := range t.above {
		if c, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(c)
		}
	}
	chains, err := t.signing.Verify(x509.VerifyOptions{
		Roots: t.pool, Intermediates: between, CurrentTime: a.options.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil || len(chains) == 0 {
		return Pin{}, errors.Join(errors.New("the key that signs is not below the trust bundle"), err)
	}
	return pinOf(chains[0][len(chains[0])-1]), nil
}

// Pin names a root by its public key.
type Pin [sha256.Size]byte

func pinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func toPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
