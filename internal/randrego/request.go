package randrego

import (
	"pgregory.net/rapid"
)

// Request is one request of a caller with a token.
type Request struct {
	Method, Path, Host string
	Headers            [][2]string // In order; a name may come several times.
	Claims             map[string]any
}

// Draw draws a request below a path.
func Draw(t *rapid.T) Request {
	r := Request{
		Method: rapid.SampledFrom([]string{"GET", "PUT", "DELETE"}).Draw(t, "method"),
		Path:   rapid.SampledFrom([]string{"/r/a", "/r/a?q=1", "/r/b", "/x/a", "/r/", "/r/%C3%A9", "/r/a?q=!", "/rr", "/r/a?x=/r/a"}).Draw(t, "path"),
		Host:   rapid.SampledFrom([]string{"api.bank.test", "api.bank.test:8080", "API.bank.test"}).Draw(t, "host"),
		Claims: map[string]any{"sub": rapid.SampledFrom([]any{"alice", "mallory", "bob", "a"}).Draw(t, "sub")},
	}
	for _, name := range []string{"x-a", "x-b"} {
		for range rapid.IntRange(0, 2).Draw(t, name) {
			r.Headers = append(r.Headers, [2]string{name, rapid.SampledFrom([]string{"a", "b", "", "é!", "teller", "a,b", "GET", "/r", "3", "true"}).Draw(t, "value")})
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
