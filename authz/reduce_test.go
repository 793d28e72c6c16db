package authz_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

const about = "package a\nimport input.attributes.request.http\nclaims := input.gatehouse.identity.claims\n"

func reduced(t *testing.T, p *gateway.Policy, with map[string]any) (text string, r gateway.Reduction) {
	t.Helper()
	r = authz.NewReducer().Reduce(p, with)
	out, err := json.Marshal(r.Native)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), r
}

func TestShow(t *testing.T) {
	for _, body := range []string{
		`allow := true`,
		`default allow := false
allow if http.method == "GET"`,
		`default allow := false
allow if { http.method in {"GET", "HEAD"}; startswith(http.path, "/a") }
allow if claims.role == "admin"`,
		`allow if { some r in claims.roles; r == "admin" }`,
		`allow if { "admin" in claims.roles }`,
		`allow if { not claims.blocked; http.headers["x-a"] }`,
		`allow if { not startswith(http.path, "/a"); not internal }
internal if http.host == "x"
internal if { http.host == "y"; http.method == "GET" }`,
		`allow if { "a" in input.gatehouse.identity.scopes }`,
		`allow if { input.gatehouse.parameters.role in claims.roles }`,
		`default d := {"allowed": false, "reason": "not-a-teller"}
allow := d
d := {"allowed": true} if claims.role == "teller"`,
		`default allow := {"allowed": false, "reason": "not-a-teller"}
allow := {"allowed": true} if claims.role == "teller"`,
		`default allow := true
allow := false if regex.match("^/a[0-9]+", http.path)`,
		`allow if { x := claims.sub; startswith(x, "a"); endswith(x, "z") }`,
		`allow if { x := claims.sub; http.method == "GET" }`,
		`allow if { claims.sub != "root" }`,
		`allow if { ok(http.method) }
ok(m) if m == "GET"
ok(m) if m == "PUT"`,
		`allow if { some p in data.paths; startswith(http.path, p) }`,
		`allow if { http.method == data.roles[claims.role][_] }`,
		`allow if count(deny) == 0
deny contains "x" if http.method == "DELETE"`,
		`allow if not deny
deny if http.method == "DELETE"
deny if claims.role == "guest"
deny if { claims.role == "x"; http.host == "y" }`,
	} {
		p := &gateway.Policy{Source: about + body, Data: map[string]any{"paths": []any{"/x", "/y"}, "roles": map[string]any{"teller": []any{"GET", "PUT"}, "guest": []any{"GET"}}}}
		text, r := reduced(t, p, map[string]any{"role": "teller"})
		t.Logf("%s\n   => %s reason=%q why=%q", body, text, r.Reason, r.Why)
	}
}
