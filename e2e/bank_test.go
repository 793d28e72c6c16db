//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bank returns the documents of the quickstart, with the listener on ${PORT} and the backends on ${FIRST} and ${SECOND}.
func bank(t *testing.T) map[string]string {
	t.Helper()
	documents := map[string]string{}
	err := filepath.WalkDir(quickstart, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(quickstart, path)
		if err != nil {
			return err
		}
		documents[name] = strings.NewReplacer(
			"port: 8080", "port: ${PORT}", "127.0.0.1:9001", "${FIRST}", "127.0.0.1:9002", "${SECOND}",
		).Replace(string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// newBank starts the quickstart with two backends and one Envoy.
func newBank(t *testing.T) *world {
	t.Helper()
	first, _ := backend(t, "first", "")
	second, _ := backend(t, "second", "")
	w := newWorld(t, bank(t), map[string]string{"FIRST": first, "SECOND": second})
	w.startEnvoy("edge", "edge-1")
	return w
}

func TestBank(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	alice := token(t, map[string]any{"sub": "alice"})
	payments := w.url("PORT", "/payments/alice")

	if a := w.get(payments); a.status != 401 || a.problem(t) != "unauthorized" || a.header.Get("www-authenticate") == "" {
		t.Errorf("without a token: %+v", a)
	}
	got := w.get(payments, alice, "x-gatehouse-subject: mallory", "x-gatehouse-anything: x").echoed(t)
	if got.Path != "/alice" {
		t.Errorf("the backend sees the path %s, want /alice: the base is the gateway's", got.Path)
	}
	if subject := got.Headers["x-gatehouse-subject"]; len(subject) != 1 || subject[0] != "alice" {
		t.Errorf("the backend is told the subject %q", subject)
	}
	if forged := got.Headers["x-gatehouse-anything"]; forged != nil {
		t.Errorf("a client's x-gatehouse header came through: %q", forged)
	}
	a := w.get(w.url("PORT", "/payments/bob"), alice)
	if a.status != 403 || a.problem(t) != "policy-denied" || !strings.Contains(a.body, "not-your-payments") {
		t.Errorf("alice reads bob's payments: %+v", a)
	}
	if a, err := w.do("POST", payments, alice); err != nil || a.status != 403 || !strings.Contains(a.body, "scope-payments-write-missing") {
		t.Errorf("alice pays without the scope: %+v, %v", a, err)
	}
	if a, err := w.do("POST", w.url("PORT", "/payments/bob"), token(t, map[string]any{"sub": "bob", "scope": "payments:write"})); err != nil || a.status != 200 {
		t.Errorf("bob pays: %+v, %v", a, err)
	}
	if a, err := w.do("DELETE", payments, alice); err != nil || a.status != 405 || a.problem(t) != "method-not-allowed" || a.header.Get("allow") != "GET, POST" {
		t.Errorf("a method that is not listed: %+v, %v", a, err)
	}
	if a := w.get(w.url("PORT", "/payments/a/b/c"), alice); a.status != 404 || a.problem(t) != "not-found" {
		t.Errorf("a path that is not listed: %+v", a)
	}
	if a := w.get(w.url("PORT", "/paymentsx")); a.status != 404 || a.problem(t) != "not-found" {
		t.Errorf("a path that nothing serves: %+v", a)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	url := w.url("PORT", "/payments/carol")
	carol := token(t, map[string]any{"sub": "carol"})
	for i := range 5 {
		a := w.get(url, carol)
		if a.status != 200 {
			t.Fatalf("request %d of 5: %+v", i+1, a)
		}
		if got, want := left(a), []string{"4", "3", "2", "1", "0"}[i]; got != want {
			t.Errorf("request %d: %q remain, want %q", i+1, got, want)
		}
	}
	a := w.get(url, carol)
	if a.status != 429 || a.problem(t) != "rate-limited" || a.header.Get("retry-after") == "" {
		t.Errorf("the sixth request: %+v", a)
	}
	// Another customer has a count of her own; what was refused by the policy cost nothing.
	if a := w.get(w.url("PORT", "/payments/dora"), token(t, map[string]any{"sub": "dora"})); a.status != 200 {
		t.Errorf("another customer: %+v", a)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	url := w.url("PORT", "/payments/alice")
	for name, claims := range map[string]map[string]any{
		"expired":          {"sub": "alice", "exp": time.Now().Add(-time.Hour).Unix()},
		"another audience": {"sub": "alice", "aud": "accounts"},
		"another issuer":   {"sub": "alice", "iss": "https://login.other.test"},
		"no expiry":        {"sub": "alice", "exp": json.Number("0")},
	} {
		if a := w.get(url, token(t, claims)); a.status != 401 || !strings.Contains(a.header.Get("www-authenticate"), `error="invalid_token"`) || !strings.Contains(a.body, "unauthorized") {
			t.Errorf("%s: %+v", name, a)
		}
	}
	good := token(t, map[string]any{"sub": "alice"})
	if a := w.get(url, good[:len(good)-4]+"AAAA"); a.status != 401 {
		t.Errorf("a broken signature: %+v", a)
	}
	if a := w.get(url + "?access_token=" + strings.TrimPrefix(good, "authorization: Bearer ")); a.status != 401 {
		t.Errorf("a token in the query is taken: %+v", a)
	}
}
