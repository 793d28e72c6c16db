//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// probe is a request that one route of a golden case answers.
type probe struct {
	route  *gateway.Route
	method string
	url    string
	header http.Header // What the route's own conditions ask for.
}

// newProbe returns a request for a route. Parameters of its path are "alice", which the policies of the cases like.
func newProbe(r *gateway.Route) probe {
	p := probe{route: r, method: http.MethodGet, header: http.Header{}}
	if len(r.Match.Methods) > 0 {
		p.method = r.Match.Methods[0]
	}
	host := r.Hosts[0]
	if suffix, wild := strings.CutPrefix(host, "*"); wild {
		host = "any" + suffix
	}
	p.url = "http://" + host + samplePath(r)
	var query []string
	for _, c := range r.Match.Query {
		if value, there := sampleValue(c); there {
			query = append(query, c.Name+"="+value)
		}
	}
	if len(query) > 0 {
		p.url += "?" + strings.Join(query, "&")
	}
	for _, c := range r.Match.Headers {
		if value, there := sampleValue(c); there {
			p.header.Set(c.Name, value)
		}
	}
	var cookies []string
	for _, c := range r.Match.Cookies {
		if value, there := sampleValue(c); there {
			cookies = append(cookies, c.Name+"="+value)
		}
	}
	if len(cookies) > 0 {
		p.header.Set("cookie", strings.Join(cookies, "; "))
	}
	return p
}

// sampleValue returns a value that a condition takes; there is none where it wants none.
func sampleValue(c gateway.Condition) (value string, there bool) {
	switch {
	case c.How == gateway.ByAbsence:
		return "", false
	case c.How == gateway.ByRegex || c.Value == "":
		return "1", true // A digit is what the expressions of the cases take.
	}
	return c.Value, true
}

// samplePath returns a path that a route matches.
func samplePath(r *gateway.Route) string {
	if r.Match.Path.Regex != "" {
		if strings.HasPrefix(r.Match.Path.Regex, "/a/") {
			return r.Base + "/a/1/balance"
		}
		return r.Base + "/NB1234/balance" // The two regular expressions among the cases.
	}
	path := ""
	for _, s := range r.Match.Path.Segments {
		path += "/" + s.Before
		if s.Name != "" {
			path += "alice" + s.After
		}
	}
	if r.Match.Path.Prefix {
		path += "/is/not/listed"
	}
	return path
}

// strangers returns what callers try who prove nothing: headers that Gatehouse itself uses, and a token signed by nobody
// whom the issuer knows.
func (p probe) strangers(forgedToken string) []http.Header {
	lies := http.Header{}
	lies.Set(envoy.HeaderFailureModeAllowed, "true")
	lies.Set(envoy.HeaderSubject, "alice")
	lies.Set(envoy.HeaderIssuer, "https://login.nordhaven.test")
	forged := lies.Clone()
	forged.Set("authorization", "Bearer "+forgedToken)
	return []http.Header{{}, lies, forged}
}

// insufficient returns what callers try whose token is real, but not what the route asks for.
func (p probe) insufficient(t *testing.T) map[string]http.Header {
	t.Helper()
	out := map[string]http.Header{}
	try := func(what string, b bankIssuer, claims map[string]any) {
		full := map[string]any{"sub": "alice", "scope": "payments:read payments:write partner", "bank": map[string]any{"branch": "north"}}
		maps.Copy(full, claims)
		out[what] = p.proven(t)
		out[what].Set("authorization", "Bearer "+b.token(t, full))
	}
	accepted := map[string]bool{}
	for _, proof := range slices.Concat(p.route.Ways...) {
		if proof.Kind != gateway.ByJWT {
			continue
		}
		b := issuerOf(proof)
		accepted[b.issuer] = true
		try("expired at "+b.issuer, b, map[string]any{"exp": 1})
		if len(proof.Issuer.Audiences) > 0 {
			try("of another audience at "+b.issuer, b, map[string]any{"aud": "cards"})
		}
		if len(proof.Claims) > 0 && len(p.route.Ways) == 1 {
			try("with another claim", b, map[string]any{"bank": map[string]any{"branch": "south"}})
		}
		for _, scope := range proof.Scopes {
			rest := slices.DeleteFunc([]string{"payments:read", "payments:write", "partner"}, func(s string) bool { return s == scope })
			try("without the scope "+scope, b, map[string]any{"scope": strings.Join(rest, " ")})
			try("with more than the scope "+scope, b, map[string]any{"scope": strings.Join(rest, " ") + " " + scope + "s x" + scope})
		}
	}
	for _, applied := range p.route.Native() {
		if p.route.TakesToken() && applied.Mode == gateway.Enforce {
			try("whom the policy "+applied.Policy.Name+" denies", nordhaven(), map[string]any{"sub": "mallory", "bank": map[string]any{"branch": "south"}})
		}
	}
	for _, r := range p.route.Require {
		if len(r.Headers) > 0 {
			out["and without the headers of "+r.Name] = http.Header{"Authorization": p.proven(t)["Authorization"]}
		}
		for _, c := range r.Claims {
			try("without the claim "+c.Name, nordhaven(), map[string]any{"bank": map[string]any{"branch": "south"}})
		}
	}
	for _, b := range []bankIssuer{nordhaven(), suderbank()} {
		if len(accepted) > 0 && !accepted[b.issuer] {
			try("of the issuer "+b.issuer, b, nil)
		}
	}
	return out
}

func issuerOf(proof gateway.ResolvedProof) bankIssuer {
	if proof.Issuer.Name == "suderbank" {
		return suderbank()
	}
	return nordhaven()
}

// proven returns the headers of a caller who proves all that the route asks for.
func (p probe) proven(t *testing.T) http.Header {
	t.Helper()
	h := http.Header{}
	h.Set("x-branch", "north")
	h.Set("x-till", "3")
	if p.route.TakesToken() {
		h.Set("authorization", "Bearer "+issuerOf(p.route.Ways[0][0]).token(t, map[string]any{
			"sub": "alice", "scope": "payments:read payments:write partner", "bank": map[string]any{"branch": "north"},
		}))
	}
	return h
}

// send sends a probe to the listener on a socket and returns the status.
func (p probe) send(ctx context.Context, socket string, headers http.Header) (int, error) {
	var body io.Reader
	if p.method == http.MethodPost {
		body = strings.NewReader(`{"amount": 5}`)
	}
	request, err := http.NewRequestWithContext(ctx, p.method, p.url, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("content-type", "application/json")
	for _, given := range []http.Header{headers, p.header} {
		maps.Copy(request.Header, given)
	}
	secured := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // Who may pass is tested here, not who answers.
	client := http.Transport{DisableKeepAlives: true, TLSClientConfig: secured, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	response, err := client.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}
