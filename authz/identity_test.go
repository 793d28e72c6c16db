package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/introspect"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/gateway"
)

// bank is a service whose callers prove themselves by all kinds of proofs.
type bank struct {
	*authz.Service
	table  *keys.Table
	issuer *httptest.Server
	asked  atomic.Int64
	down   atomic.Bool
	now    atomic.Int64 // Seconds.
}

const (
	bankSecret = "the client's secret"
	goodToken  = "opaque-good"
	shortToken = "opaque-without-scope"
)

// openBank makes a bank with a route for each of these ways, under its own name as rules.
func openBank(t *testing.T, routes map[string][]gateway.Way) *bank {
	t.Helper()
	b := &bank{}
	b.now.Store(1_790_000_000)
	now := func() time.Time { return time.Unix(b.now.Load(), 0) }
	b.table = keys.New([]byte("0123456789abcdef0123456789abcdef"), now)
	b.table.PutApplication("shop", "", false)
	b.issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		client, secret, _ := r.BasicAuth()
		if b.down.Load() || client != "gateway" || secret != url.QueryEscape(bankSecret) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		switch r.FormValue("token") {
		case goodToken:
			_, _ = fmt.Fprintf(w, `{"active": true, "sub": "alice", "scope": "pay read", "client_id": "app", "roles": ["teller"], "exp": %d}`, b.now.Load()+3600)
		case shortToken:
			_, _ = fmt.Fprint(w, `{"active": true, "sub": "bob", "scope": "read"}`)
		default:
			_, _ = fmt.Fprint(w, `{"active": false}`)
		}
	}))
	t.Cleanup(b.issuer.Close)
	client, err := introspect.New(introspect.Options{
		Logger: slog.New(slog.DiscardHandler), Now: now, Secret: func(string) (string, error) { return bankSecret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b.Service = authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Now: now, Keys: b.table, Introspection: client})
	rev := &gateway.Revision{}
	for rules, ways := range routes {
		r := publicRoute(rules, `package a
allow := {"allowed": true, "headers": {"x-who": sprintf("%s %s %s %v %v", [object.get(input.gatehouse.identity, "kind", ""), object.get(input.gatehouse.identity, "consumer", ""), object.get(input.gatehouse.identity, "application", ""), input.gatehouse.identity.scopes, input.gatehouse.identity.roles])}}`)
		r.Public, r.Ways = false, ways
		rev.Routes, rev.Policies = append(rev.Routes, r), append(rev.Policies, r.Authorize[0].Policy)
	}
	b.Use(compiled(t, rev, nil))
	return b
}

// key adds a key and returns its text.
func (b *bank) key(t *testing.T, change func(*keys.Row)) string {
	t.Helper()
	id, secret := keys.Fresh()
	row := keys.Row{ID: id, Hash: b.table.Hash(secret), Application: "shop", Scopes: []string{"pay"}}
	if change != nil {
		change(&row)
	}
	if err := b.table.Put(row); err != nil {
		t.Fatal(err)
	}
	return keys.Text(id, secret)
}

// opaque is the bank's issuer, as a document says how it is asked.
func (b *bank) opaque() *gateway.Issuer {
	return &gateway.Issuer{Name: "bank", Issuer: "https://id.bank.test", Introspection: &gateway.Introspection{
		URL: b.issuer.URL, Client: "gateway", Secret: "env:SECRET", Cache: 30 * time.Second, Refused: 10 * time.Second, Timeout: 5 * time.Second,
	}}
}

// call is a request: from an address, with these headers.
func call(rules, from, path string, headers ...string) *authv3.CheckRequest {
	check := checkOf(rules)
	check.Attributes.Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: from},
	}}}
	all := map[string]string{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		all[name] = value
	}
	check.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Path: path, Headers: all}}
	return check
}

// answer returns the status, the reason of a refusal, and a header of the answer.
func (b *bank) answer(t *testing.T, check *authv3.CheckRequest, name string) (status int, body, value string) {
	t.Helper()
	response, err := b.Check(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	status, list := 200, response.GetOkResponse().GetHeaders()
	if d := response.GetDeniedResponse(); d != nil {
		status, body, list = int(d.GetStatus().GetCode()), d.GetBody(), d.GetHeaders()
	}
	for _, h := range list {
		if h.GetHeader().GetKey() == name {
			value = h.GetHeader().GetValue()
		}
	}
	return status, body, value
}

func byKey(place gateway.KeyPlace, scopes ...string) gateway.ResolvedProof {
	return gateway.ResolvedProof{Kind: gateway.ByKey, Key: &place, Scopes: scopes}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	header := gateway.KeyPlace{Header: "x-api-key"}
	b := openBank(t, map[string][]gateway.Way{
		"header": {{byKey(header, "pay")}}, "query": {{byKey(gateway.KeyPlace{Query: "api_key"})}}, "cookie": {{byKey(gateway.KeyPlace{Cookie: "key"})}},
		"mixed": {{byKey(header)}, {{Kind: gateway.ByNobody, Name: "guest"}}},
	})
	good := b.key(t, nil)
	revoked := b.key(t, func(r *keys.Row) { r.Revoked = time.Unix(2, 0) })
	ended := b.key(t, func(r *keys.Row) { r.Expires = time.Unix(1, 0) })
	poor := b.key(t, func(r *keys.Row) { r.Scopes = nil })
	inside := b.key(t, func(r *keys.Row) { r.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	for _, test := range []struct {
		name, rules, path, header string
		status                    int
		want                      string
	}{
		{"good", "header", "/", "x-api-key: " + good, 200, ""},
		{"none", "header", "/", "x-other: 1", 401, "key-missing"},
		{"wrong", "header", "/", "x-api-key: nonsense", 401, "key-invalid"},
		{"wrong secret", "header", "/", "x-api-key: " + good[:len(good)-4] + "aaaa", 401, "key-invalid"},
		{"revoked", "header", "/", "x-api-key: " + revoked, 401, "key-invalid"},
		{"ended", "header", "/", "x-api-key: " + ended, 401, "key-invalid"},
		{"twice", "header", "/", "x-api-key: " + good + "," + good, 401, "key-invalid"},
		{"without scope", "header", "/", "x-api-key: " + poor, 403, "scope-missing"},
		{"elsewhere", "header", "/", "x-api-key: " + inside, 403, "address-refused"},
		{"in the query", "query", "/?a=1&api%5Fkey=" + good, "x: y", 200, ""},
		{"twice in the query", "query", "/?api_key=" + good + "&api_key=" + good, "x: y", 401, "key-invalid"},
		{"in a cookie", "cookie", "/", "cookie: a=1; key=" + good + "; b=2", 200, ""},
		{"anonymous", "mixed", "/", "x: y", 200, ""},
		{"wrong, not anonymous", "mixed", "/", "x-api-key: nonsense", 401, "key-invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			from := fmt.Sprintf("192.0.2.%d", len(test.name)+int(test.name[0]))
			status, body, _ := b.answer(t, call(test.rules, from, test.path, test.header), "")
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("answered %d %s, want %d %s", status, body, test.status, test.want)
			}
			if strings.Contains(body, good) {
				t.Error("the answer holds the key")
			}
		})
	}
	if _, _, who := b.answer(t, call("header", "192.0.2.1", "/", "x-api-key: "+good), "x-who"); !strings.Contains(who, "key "+good[4:20]) || !strings.Contains(who, `shop ["pay"] []`) {
		t.Errorf("the policy saw %q", who)
	}
	if status, _, want := b.answer(t, call("header", "192.0.2.1", "/"), "www-authenticate"); want != `ApiKey realm="payments"` {
		t.Errorf("%d with the challenge %q", status, want)
	}
	b.hides(t, good)
}

// hides shows that no upstream sees a key.
func (b *bank) hides(t *testing.T, good string) {
	t.Helper()
	response, err := b.Check(t.Context(), call("query", "192.0.2.1", "/?a=1&api%5Fkey="+good))
	if err != nil || len(response.GetOkResponse().GetQueryParametersToRemove()) != 1 || response.GetOkResponse().GetQueryParametersToRemove()[0] != "api%5Fkey" {
		t.Errorf("in the query: %v, %v", response, err)
	}
	response, err = b.Check(t.Context(), call("header", "192.0.2.1", "/", "x-api-key: "+good))
	if err != nil || len(response.GetOkResponse().GetHeadersToRemove()) != 1 {
		t.Errorf("in a header: %v, %v", response, err)
	}
	if _, _, cookie := b.answer(t, call("cookie", "192.0.2.1", "/", "cookie: a=1; key="+good+"; b=2"), "cookie"); cookie != "a=1; b=2" {
		t.Errorf("the upstream gets the cookie %q", cookie)
	}
}

func TestGuessing(t *testing.T) {
	t.Parallel()
	place := gateway.KeyPlace{Header: "x-api-key"}
	b := openBank(t, map[string][]gateway.Way{"r": {{byKey(place)}}})
	good, other := b.key(t, nil), b.key(t, nil)
	show := func(from, key string) int {
		status, _, _ := b.answer(t, call("r", from, "/", "x-api-key: "+key), "")
		return status
	}
	wrong := func(i int) string { return fmt.Sprintf("%saaa%c", good[:len(good)-4], 'a'+i%26) + "" }
	fresh := func() string { _, secret := keys.Fresh(); return keys.Text(good[4:20], secret) }
	if status := show("192.0.2.1", good); status != 200 {
		t.Fatal(status)
	}
	for range 100 {
		if status := show("192.0.2.1", wrong(1)); status != 401 {
			t.Fatalf("one wrong key again and again answered %d", status)
		}
	}
	for range 20 {
		show("192.0.2.1", fresh())
	}
	status, body, wait := b.answer(t, call("r", "192.0.2.1", "/", "x-api-key: "+fresh()), "retry-after")
	if status != 429 || wait != "60" || !strings.Contains(body, gateway.ProblemLockedOut) {
		t.Errorf("guessing answered %d %s, to be tried again in %q", status, body, wait)
	}
	if status := show("192.0.2.1", good); status != 200 {
		t.Errorf("a key that was good from there before answered %d", status)
	}
	if status := show("192.0.2.1", other); status != 429 {
		t.Errorf("a key that never came from there answered %d", status)
	}
	if status := show("192.0.2.2", other); status != 200 {
		t.Errorf("from another address it answered %d", status)
	}
	for i := range 200 { // At one key, from many addresses.
		show(fmt.Sprintf("198.51.100.%d", i%250), fresh())
	}
	if status := show("203.0.113.7", good); status != 200 {
		t.Errorf("a key at which it is guessed answered %d from a new address", status)
	}
	show("203.0.113.8", fresh())
	if status := show("203.0.113.8", fresh()); status != 429 {
		t.Errorf("the second guess at a key under attack answered %d", status)
	}
	b.now.Add(61)
	if status := show("203.0.113.8", other); status != 200 {
		t.Errorf("after the lock it answered %d", status)
	}
}

func TestOpaqueTokens(t *testing.T) {
	t.Parallel()
	b := openBank(t, nil)
	routes := &gateway.Revision{}
	for rules, p := range map[string]gateway.ResolvedProof{
		"any":    {Kind: gateway.ByIntrospection, Issuer: b.opaque()},
		"scoped": {Kind: gateway.ByIntrospection, Issuer: b.opaque(), Scopes: []string{"pay"}},
		"claims": {Kind: gateway.ByIntrospection, Issuer: b.opaque(), Claims: []gateway.ClaimTest{{Name: "roles", Values: []string{"teller"}}}},
		"bound":  {Kind: gateway.ByIntrospection, Issuer: b.opaque(), Bound: true},
	} {
		r := publicRoute(rules, "package a\nallow if input.gatehouse.identity.kind == \"introspection\"")
		r.Public, r.Ways = false, []gateway.Way{{p}}
		routes.Routes, routes.Policies = append(routes.Routes, r), append(routes.Policies, r.Authorize[0].Policy)
	}
	b.Use(compiled(t, routes, nil))
	show := func(rules, token string) (int, string) {
		status, body, _ := b.answer(t, call(rules, "192.0.2.1", "/", "authorization: "+token), "")
		return status, body
	}
	for _, test := range []struct {
		rules, token string
		status       int
		want         string
	}{
		{"any", "Bearer " + goodToken, 200, ""},
		{"any", "bearer " + goodToken, 200, ""},
		{"any", "Bearer unknown", 401, "token-invalid"},
		{"any", "Basic YTpi", 401, "token-missing"},
		{"any", "Bearer " + goodToken + ", Bearer " + goodToken, 401, "token-invalid"},
		{"any", "Bearer " + strings.Repeat("a", 64<<10), 401, "token-invalid"},
		{"any", "Bearer a\"b", 401, "token-invalid"},
		{"scoped", "Bearer " + goodToken, 200, ""},
		{"scoped", "Bearer " + shortToken, 403, "scope-missing"},
		{"claims", "Bearer " + goodToken, 200, ""},
		{"claims", "Bearer " + shortToken, 403, "claim-refused"},
		{"bound", "Bearer " + goodToken, 401, "token-unbound"},
	} {
		if status, body := show(test.rules, test.token); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s with %.40s answered %d %s, want %d %s", test.rules, test.token, status, body, test.status, test.want)
		}
	}
	if n := b.asked.Load(); n != 3 {
		t.Errorf("the issuer was asked %d times about three tokens", n)
	}
	b.down.Store(true)
	if status, _ := show("any", "Bearer "+goodToken); status != 200 {
		t.Errorf("while the issuer is away a remembered token answered %d", status)
	}
	b.now.Add(31)
	status, body, wait := b.answer(t, call("any", "192.0.2.1", "/", "authorization: Bearer "+goodToken), "retry-after")
	if status != 503 || wait != "1" || !strings.Contains(body, gateway.ProblemIdentityAway) {
		t.Errorf("while the issuer is away a token answered %d %s %s", status, body, wait)
	}
	b.down.Store(false)
	if status, _ := show("any", "Bearer "+goodToken); status != 200 {
		t.Errorf("when the issuer is back the token answered %d", status)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	certificate, thumbprint := clientCertificate(t)
	issuer := &gateway.Issuer{Name: "i", Issuer: "https://id.bank.test"}
	by := func(test gateway.CertificateTest) []gateway.Way {
		return []gateway.Way{{{Kind: gateway.ByCertificate, Certificate: &test}}}
	}
	b := openBank(t, map[string][]gateway.Way{
		"any": by(gateway.CertificateTest{}), "spiffe": by(gateway.CertificateTest{SPIFFE: []string{"spiffe://bank.test/pay/*"}}),
		"dns": by(gateway.CertificateTest{DNS: []string{"*.bank.test"}}), "other": by(gateway.CertificateTest{DNS: []string{"bank.test"}}),
		"subject": by(gateway.CertificateTest{Subject: []string{`CN=teller\, one,O=Nordhaven`}}),
		"bound":   {{{Kind: gateway.ByJWT, Issuer: issuer, Bound: true}}},
	})
	for rules, want := range map[string]int{"any": 200, "spiffe": 200, "dns": 200, "other": 401, "subject": 200} {
		check := call(rules, "192.0.2.1", "/")
		check.Attributes.Source.Certificate = certificate
		if status, body, _ := b.answer(t, check, ""); status != want {
			t.Errorf("%s answered %d %s, want %d", rules, status, body, want)
		}
		if status, _, _ := b.answer(t, call(rules, "192.0.2.1", "/"), ""); status != 401 {
			t.Errorf("%s without a certificate answered %d", rules, status)
		}
	}
	for name, want := range map[string]int{thumbprint: 200, "": 401, thumbprint + "=": 401} {
		claims := aliceClaims()
		claims["iss"] = "https://id.bank.test"
		claims["cnf"] = map[string]any{"x5t#S256": name}
		check := envoyCheck(t, "bound", "GET", "/", claims)
		check.Attributes.Source.Certificate = certificate
		if status, body, _ := b.answer(t, check, ""); status != want {
			t.Errorf("a token bound to %q answered %d %s, want %d", name, status, body, want)
		}
	}
}

// clientCertificate returns a certificate as Envoy sends it, and its thumbprint.
func clientCertificate(t *testing.T) (text, thumbprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := url.Parse("spiffe://bank.test/pay/one")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{id}, DNSNames: []string{"pay.bank.test"},
		Subject: pkix.Name{CommonName: "teller, one", Organization: []string{"Nordhaven"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), base64.RawURLEncoding.EncodeToString(sum[:])
}
