//go:build e2e

package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// requestID returns the id that the problem document of a refusal has.
func (a answer) requestID(t *testing.T) string {
	t.Helper()
	var p struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.RequestID == "" {
		t.Fatalf("status %d without the id of its request: %q", a.status, a.body)
	}
	return p.RequestID
}

// why returns what the daemon says about a request, once it knows.
func (w *world) why(request string) (found admin.DecisionsOfRequest, words string) {
	w.t.Helper()
	w.eventually("why "+request, func() bool {
		var err error
		found, err = w.admin().DecisionsOf(w.t.Context(), request)
		return err == nil
	})
	var b strings.Builder
	for _, s := range found.Why {
		b.WriteString(s.About + ": " + s.Text + "\n")
	}
	return found, b.String()
}

// TestWhy has requests refused by Envoy's token filter, by the guard, by a policy, by a limit and by a Gatehouse that does not know
// the rules, and asks why.
func TestWhy(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	url := w.url("PORT", "/payments/alice")
	alice := token(t, map[string]any{"sub": "alice"})
	if a := w.get(w.url("PORT", "/payments/alice"), alice); a.status != 200 {
		t.Fatalf("alice: %+v", a)
	}
	for name, c := range map[string]struct {
		answer answer
		result string
		by     gateway.DecidedBy
		words  []string
	}{
		"no token": {w.get(url), "unauthenticated", gateway.ByEnvoy, []string{
			"answer: 401, refused by Envoy itself", "nobody proved who they are", "Jwt is missing", "payments.yaml",
		}},
		"expired": {w.get(url, token(t, map[string]any{"sub": "alice", "exp": 1})), "unauthenticated", gateway.ByEnvoy, []string{
			"Jwt is expired", "Get a new token",
		}},
		"policy": {w.get(w.url("PORT", "/payments/bob"), alice), "denied", gateway.ByGatehouse, []string{
			"answer: 403, refused by Gatehouse", "who: alice, proven by a token", "The policy bank.payments denied it (not-your-payments)",
		}},
	} {
		found, words := w.why(c.answer.requestID(t))
		d := found.Decisions[len(found.Decisions)-1]
		if d.Result != c.result || d.By != c.by || d.API != "payments" || d.Node != "edge-1" || d.Status != c.answer.status || d.Path == "" {
			t.Errorf("%s: recorded as %+v", name, d)
		}
		for _, want := range append(c.words, "route: payments/v1/listPayments") {
			if !strings.Contains(words, want) {
				t.Errorf("%s: %q is not said:\n%s", name, want, words)
			}
		}
	}
	var limited answer
	for range 6 {
		limited = w.get(w.url("PORT", "/payments/carol"), token(t, map[string]any{"sub": "carol"}))
	}
	if limited.status != 429 {
		t.Fatalf("the sixth request: %+v", limited)
	}
	w.eventually("the limit is told", func() bool { // The policy allowed it, and the access log comes later.
		_, words := w.why(limited.requestID(t))
		return strings.Contains(words, "The limit per-customer is reached.")
	})
}

// TestWhySurvivesTheDaemon asks about a request after a restart.
func TestWhySurvivesTheDaemon(t *testing.T) {
	t.Parallel()
	w := newBank(t)
	refused := w.get(w.url("PORT", "/payments/alice"))
	w.why(refused.requestID(t))
	w.stopServer()
	w.startServer()
	if _, words := w.why(refused.requestID(t)); !strings.Contains(words, "Jwt is missing") {
		t.Error(words)
	}
}
