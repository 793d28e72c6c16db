package randrego

import (
	"strings"

	"pgregory.net/rapid"
)

// Request is one request of a caller with a token.
type Request struct {
	Method, Path, Host string
	Headers            [][2]string // In order; a name may come several times.
	Claims             map[string]any
	Peer               string // The address that it comes from.
	Shown              string // The certificate shown, of Certificates; empty: none.
}

// Certificate is what names a client's certificate bears.
type Certificate struct {
	Common    string
	DNS, URIs []string
}

// Certificates are those that requests may show, by name.
func Certificates() map[string]Certificate {
	const anna, bert = "spiffe://bank.test/tellers/anna", "spiffe://bank.test/auditors/bert"
	return map[string]Certificate{
		"uri":     {Common: "anna", URIs: []string{anna}},
		"uris":    {Common: "anna", URIs: []string{bert, anna}},
		"dns":     {Common: "anna", DNS: []string{"till.bank.test", "other.bank.test"}},
		"both":    {Common: "anna", DNS: []string{"till.bank.test"}, URIs: []string{bert}},
		"subject": {Common: "anna"},
	}
}

// Principal returns whom a Check says that the certificate names: its first URI name, or else its first DNS name, or else its
// subject (Envoy's AttributeContext.Peer.principal).
func (c Certificate) Principal() string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0]
	case len(c.DNS) > 0:
		return c.DNS[0]
	}
	return "CN=" + c.Common
}

// Draw draws a request below a path.
func Draw(t *rapid.T) Request {
	r := Request{
		Method: rapid.SampledFrom([]string{"GET", "PUT", "DELETE"}).Draw(t, "method"),
		Path:   rapid.SampledFrom([]string{"/r/a", "/r/a?q=1", "/r/b", "/x/a", "/r/", "/r/%C3%A9", "/r/a?q=!", "/rr", "/r/a?x=/r/a"}).Draw(t, "path"),
		Host:   rapid.SampledFrom([]string{"api.bank.test", "api.bank.test:8080", "API.bank.test"}).Draw(t, "host"),
		Claims: map[string]any{"sub": rapid.SampledFrom([]any{"alice", "mallory", "bob", "a"}).Draw(t, "sub")},
	}
	r.Peer = rapid.SampledFrom([]string{"127.0.0.1", "127.0.0.1", "127.0.0.2"}).Draw(t, "peer")
	r.Shown = rapid.SampledFrom([]string{"", "", "uri", "uris", "dns", "both", "subject"}).Draw(t, "shown")
	for _, name := range []string{"x-a", "x-b", "X-C", "cookie"} {
		for range rapid.IntRange(0, 3).Draw(t, name) {
			value := rapid.SampledFrom([]string{
				"a", "b", "", "é!", "teller", "a,b", "GET", "/r", "3", "true", "A", ",", "k=v", "a\xff", "\xc3", strings.Repeat("a", 9000),
			}).Draw(t, "value")
			r.Headers = append(r.Headers, [2]string{name, value})
		}
	}
	claim := func(into map[string]any, name string, values ...any) {
		if v := rapid.SampledFrom(append(values, nil)).Draw(t, name); v != nil {
			into[name] = v
		}
	}
	lists := []any{
		[]any{"teller"},
		[]any{"auditor", "a", 3, true},
		[]any{},
		"teller",
		[]any{[]any{"teller"}},
		3,
		[]any{"GET", "/r/a"},
		false,
		[]any{"alice", ""},
		map[string]any{"x": "teller", "teller": "x"},
	}
	claim(r.Claims, "role", "teller", "auditor", "a", 3, true, false, "", []any{"teller"}, "é!", 3.5, map[string]any{"a": "teller"})
	claim(r.Claims, "level", 3, 4, "3", 3.0, 0, -3, 1e300)
	claim(r.Claims, "admin", true, false, "", 0, []any{}, map[string]any{})
	claim(r.Claims, "roles", lists...)
	claim(r.Claims, "scope", "teller auditor", "GET", "a\tteller", "xteller", []any{"teller", "a"}, "teller ", "a alice", "a\u00a0teller", "")
	claim(r.Claims, "scp", "teller", []any{"GET"}, 3)
	realm := map[string]any{}
	claim(realm, "kind", "user", "teller", 3, false)
	claim(realm, "roles", lists...)
	claim(r.Claims, "realm", realm, "user", []any{"user"})
	return r
}

// Odd reports whether a claim that should be a list is an object, whose values Rego looks at as if they were elements.
func (r *Request) Odd() bool {
	_, roles := r.Claims["roles"].(map[string]any)
	realm, _ := r.Claims["realm"].(map[string]any)
	_, nested := realm["roles"].(map[string]any)
	return roles || nested
}
