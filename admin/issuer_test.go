package admin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

// idp is an issuer of a test.
type idp struct {
	server *httptest.Server
	key    *ecdsa.PrivateKey
	asked  atomic.Int64
	away   atomic.Bool
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	said := &oidctest.Server{Algorithms: []string{oidc.ES256}, PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k1", Algorithm: oidc.ES256}}}
	p := &idp{key: key}
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		said.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	said.SetIssuer(p.server.URL)
	return p
}

func (p *idp) issuers(t *testing.T, now func() time.Time) *Issuers {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	all, err := NewIssuers([]CallerIssuer{{
		Issuer: p.server.URL, Audience: "gatehouse", Name: "email", CA: ca,
		Roles: []ClaimRule{
			{Claim: "groups", Value: "platform", Role: Admin},
			{Claim: "groups", Value: "payments", Role: Member, Team: "payments"},
			{Claim: "department", Value: "audit", Role: Viewer},
		},
	}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// token signs claims, with those of a good token where change leaves them.
func (p *idp) token(t *testing.T, change func(map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": p.server.URL, "aud": "gatehouse", "sub": "17", "email": "alice@bank.test", "groups": []string{"staff", "payments"},
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	change(claims)
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return oidctest.SignIDToken(p.key, "k1", oidc.ES256, string(text))
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	all := p.issuers(t, time.Now)
	host := p.server.URL[len("https://"):]
	for name, tt := range map[string]struct {
		change func(map[string]any)
		want   Caller
	}{
		"member":           {func(map[string]any) {}, Caller{Name: "alice@bank.test", Role: Member, Team: "payments"}},
		"first rule":       {func(c map[string]any) { c["groups"] = []string{"payments", "platform"} }, Caller{Name: "alice@bank.test", Role: Admin}},
		"one string":       {func(c map[string]any) { delete(c, "groups"); c["department"] = "audit" }, Caller{Name: "alice@bank.test", Role: Viewer}},
		"no rule":          {func(c map[string]any) { delete(c, "groups") }, Caller{Name: "alice@bank.test"}},
		"a part of a word": {func(c map[string]any) { c["groups"] = []any{"platform-guests", map[string]any{"platform": true}} }, Caller{Name: "alice@bank.test"}},
		"no name":          {func(c map[string]any) { delete(c, "email") }, Caller{Name: "17@" + host, Role: Member, Team: "payments"}},
		"unverified name":  {func(c map[string]any) { c["email_verified"] = false }, Caller{Name: "17@" + host, Role: Member, Team: "payments"}},
		"somebody else's":  {func(c map[string]any) { c["email"] = "uid 0" }, Caller{Name: "uid_0@" + host, Role: Member, Team: "payments"}},
	} {
		got, err := all.Caller(t.Context(), p.token(t, tt.change))
		got.Expires = time.Time{}
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
	for name, token := range map[string]string{
		"another audience": p.token(t, func(c map[string]any) { c["aud"] = "shop" }),
		"expired":          p.token(t, func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
		"another issuer":   p.token(t, func(c map[string]any) { c["iss"] = "https://evil.test" }),
		"no token":         "abc",
		"empty":            "",
		"another key":      newIDP(t).token(t, func(c map[string]any) { c["iss"] = p.server.URL }),
	} {
		if got, err := all.Caller(t.Context(), token); !errors.Is(err, ErrStranger) || got.Role != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var none *Issuers
	if _, err := none.Caller(t.Context(), "a.b.c"); !errors.Is(err, ErrStranger) {
		t.Errorf("without issuers: %v", err)
	}
	if _, err := NewIssuers([]CallerIssuer{{Issuer: "http://idp.bank.test", Audience: "gatehouse"}}, time.Now); err == nil {
		t.Error("an issuer in the clear was taken")
	}
}

// TestIssuersAreAskedSeldom sends many tokens that no key fits: they do not become as many requests to the issuer.
func TestIssuersAreAskedSeldom(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	all := p.issuers(t, time.Now)
	good := p.token(t, func(map[string]any) {})
	if _, err := all.Caller(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	other := newIDP(t)
	for i := range 100 {
		forged := other.token(t, func(c map[string]any) { c["iss"], c["sub"] = p.server.URL, i })
		if _, err := all.Caller(t.Context(), forged); !errors.Is(err, ErrStranger) {
			t.Fatalf("a forged one: %v", err)
		}
	}
	if asked := p.asked.Load(); asked > 30 {
		t.Errorf("the issuer was asked %d times", asked)
	}
	if _, err := all.Caller(t.Context(), p.token(t, func(c map[string]any) { c["sub"] = "18" })); err != nil {
		t.Errorf("a good one meanwhile: %v", err)
	}
}

// TestIssuerAway asks while the issuer does not answer: that is no verdict about the token, and it recovers by itself.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	var ahead atomic.Int64
	all := p.issuers(t, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	p.away.Store(true)
	token := p.token(t, func(map[string]any) {})
	for range 5 {
		if _, err := all.Caller(t.Context(), token); err == nil || errors.Is(err, ErrStranger) {
			t.Fatalf("got %v", err)
		}
	}
	if asked := p.asked.Load(); asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	p.away.Store(false)
	ahead.Store(int64(2 * discoverEvery))
	if _, err := all.Caller(t.Context(), token); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}
