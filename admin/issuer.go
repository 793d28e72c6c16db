package admin

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// CallerRules say who callers are that show no access token.
type CallerRules struct {
	Issuers      []CallerIssuer    `json:"issuers,omitempty"`
	Certificates []CertificateRule `json:"certificates,omitempty"`
}

// CallerIssuer is an OpenID Connect issuer whose tokens are taken.
type CallerIssuer struct {
	Issuer   string      `json:"issuer"`         // Its URL, to the letter.
	Audience string      `json:"audience"`       // What tokens must be for: the client's id.
	Name     string      `json:"name,omitempty"` // The claim that names the caller; empty: sub.
	Roles    []ClaimRule `json:"roles"`
	CA       []byte      `json:"-"` // PEM of who signs the issuer's own certificate; empty: whom this machine trusts.
}

// ClaimRule gives a role to whose token has a value in a claim, which is a string or a list of strings. The first that fits holds.
type ClaimRule struct {
	Claim string `json:"claim"`
	Value string `json:"value"`
	Role  Role   `json:"role"`
	Team  string `json:"team,omitempty"`
}

// CertificateRule gives a role to whose client certificate has a name: DNS, e-mail, URI, or the common name where it has none.
type CertificateRule struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	Team string `json:"team,omitempty"`
}

const (
	issuerTimeout  = 5 * time.Second
	discoverEvery  = 5 * time.Second // After one that failed.
	tokensProven   = 1024
	provenMax      = 5 * time.Minute // A token is not verified again for so long.
	issuerTokenMax = 16 << 10
)

// Issuers verify tokens of OpenID Connect issuers. What an issuer says of itself is fetched when its first token comes. A nil value
// knows none.
type Issuers struct {
	now   func() time.Time
	known []*issuer

	mu     sync.Mutex
	proven map[[sha256.Size]byte]Caller
	until  map[[sha256.Size]byte]time.Time
}

// issuer is one of them.
type issuer struct {
	CallerIssuer

	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tried    time.Time
	failed   error
}

// NewIssuers returns a verifier for the tokens of some issuers. The error is about what was given.
func NewIssuers(given []CallerIssuer, now func() time.Time) (*Issuers, error) {
	all := &Issuers{now: now, proven: map[[sha256.Size]byte]Caller{}, until: map[[sha256.Size]byte]time.Time{}}
	for _, g := range given {
		u, err := url.Parse(g.Issuer)
		if err != nil || u.Host == "" || u.Scheme != "https" || g.Audience == "" {
			return nil, fmt.Errorf("the issuer %q: it has a URL with https, and an audience", g.Issuer)
		}
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: issuerTimeout}
		if len(g.CA) > 0 {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(g.CA) {
				return nil, fmt.Errorf("the issuer %s: there is no certificate in its ca", g.Issuer)
			}
			transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
		all.known = append(all.known, &issuer{CallerIssuer: g, client: &http.Client{
			Timeout: issuerTimeout, Transport: &seldom{next: transport, limit: rate.NewLimiter(1, 10)},
		}})
	}
	return all, nil
}

// seldom bounds how often an issuer is asked: tokens with keys that nobody knows must not become requests to it.
type seldom struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

// RoundTrip asks, or refuses to.
func (s *seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errors.New("the issuer was asked often enough for now")
	}
	return s.next.RoundTrip(r)
}

// Caller returns whose a token is. It returns ErrStranger, or ErrAwayStore's like for an issuer: an error that is neither, where
// what is needed of the issuer cannot be had now.
func (i *Issuers) Caller(ctx context.Context, token string) (Caller, error) {
	if i == nil || len(i.known) == 0 || len(token) > issuerTokenMax {
		return Caller{}, ErrStranger
	}
	key := sha256.Sum256([]byte(token))
	if caller, ok := i.remembered(key); ok {
		return caller, nil
	}
	from := claimedIssuer(token)
	at := slices.IndexFunc(i.known, func(k *issuer) bool { return k.Issuer == from })
	if at < 0 {
		return Caller{}, fmt.Errorf("%w: it is no access token, and of no issuer that is known", ErrStranger)
	}
	verifier, err := i.known[at].verify(i.now)
	if err != nil {
		return Caller{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, i.known[at].client), issuerTimeout)
	defer cancel()
	verified, err := verifier.Verify(ctx, token)
	if err != nil {
		return Caller{}, fmt.Errorf("%w: a token of %s: %w", ErrStranger, from, err)
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return Caller{}, fmt.Errorf("%w: a token of %s: %w", ErrStranger, from, err)
	}
	caller := i.known[at].caller(claims, verified)
	i.remember(key, caller)
	return caller, nil
}

// verify returns what verifies the issuer's tokens; what it says of itself is fetched once.
func (i *issuer) verify(now func() time.Time) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.verifier != nil:
		return i.verifier, nil
	case i.failed != nil && now().Sub(i.tried) < discoverEvery:
		return nil, i.failed
	}
	// The keys are fetched by this context later too, so it is nobody's request; the client bounds each fetch.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), i.client), i.Issuer)
	if i.tried = now(); err != nil {
		i.failed = fmt.Errorf("ask the issuer %s about itself: %w", i.Issuer, err)
		return nil, i.failed
	}
	i.verifier = provider.Verifier(&oidc.Config{ClientID: i.Audience, Now: now})
	return i.verifier, nil
}

// caller returns whose verified claims these are. Whom no rule fits has no role, and may do nothing.
func (i *issuer) caller(claims map[string]any, token *oidc.IDToken) Caller {
	name, _ := claims[i.Name].(string)
	if verified, said := claims["email_verified"].(bool); name == "" || i.Name == "email" && said && !verified {
		name = token.Subject
	}
	// Callers of other kinds have names with a space: nobody can call himself "uid 0" or "token deploy".
	caller := Caller{Name: strings.Join(strings.Fields(name), "_"), Expires: token.Expiry}
	if !strings.Contains(name, "@") {
		caller.Name += "@" + strings.TrimPrefix(i.Issuer, "https://")
	}
	for _, rule := range i.Roles {
		if holds(claims[rule.Claim], rule.Value) {
			caller.Role, caller.Team = rule.Role, rule.Team
			break
		}
	}
	return caller
}

// holds reports whether a claim is a value, or a list with it.
func holds(claim any, value string) bool {
	if list, ok := claim.([]any); ok {
		return slices.Contains(list, any(value))
	}
	return claim == any(value)
}

// claimedIssuer is the issuer that a token names, which is no proof yet.
func claimedIssuer(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var said struct {
		Issuer string `json:"iss"`
	}
	if err != nil || json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Issuer
}

func (i *Issuers) remembered(key [sha256.Size]byte) (Caller, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	caller, ok := i.proven[key]
	now := i.now()
	return caller, ok && now.Before(i.until[key]) && now.Before(caller.Expires)
}

func (i *Issuers) remember(key [sha256.Size]byte, caller Caller) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.proven) >= tokensProven {
		clear(i.proven)
		clear(i.until)
	}
	i.proven[key], i.until[key] = caller, i.now().Add(provenMax)
}
