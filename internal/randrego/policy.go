// Package randrego makes random Rego policies and random requests that they may tell apart, for tests that compare what
// decides by them.
//
// In: rapid's source of randomness. Out: the text of a policy of package a, and requests. The vocabulary is small, so that
// requests meet what policies ask for, and narrowly miss it.
package randrego

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// Parameters are those that the policies are applied with.
func Parameters() map[string]any {
	return map[string]any{"role": "teller", "roles": []any{"teller", "auditor"}, "level": 3}
}

// Data is what the policies find as data.
func Data() map[string]any {
	return map[string]any{
		"paths":  []any{"/x", "/r"},
		"may":    map[string]any{"teller": []any{"GET", "PUT"}, "auditor": []any{"GET"}},
		"banned": []any{"mallory", "trudy"},
	}
}

// Policy draws a policy.
func Policy(t *rapid.T) string {
	p := &policy{t: t}
	p.line("package a")
	p.line("import input.attributes.request.http")
	p.line("claims := input.gatehouse.identity.claims")
	p.line(`verified := input.attributes.metadataContext.filterMetadata["envoy.filters.http.jwt_authn"].claims`)
	yes, no := "true", "false"
	if rapid.Bool().Draw(t, "object") {
		yes, no = `{"allowed": true}`, `{"allowed": false, "reason": "not today"}`
	}
	if rapid.IntRange(0, 3).Draw(t, "denying") == 0 {
		yes, no = no, yes
		p.line("default allow := " + no)
	} else if rapid.Bool().Draw(t, "default") {
		p.line("default allow := " + no)
	}
	for range rapid.IntRange(1, 3).Draw(t, "rules") {
		p.line(fmt.Sprintf("allow := %s if { %s }", yes, p.body(2)))
	}
	return strings.Join(append(p.lines, p.helpers...), "\n") + "\n"
}

// policy is a policy that is being written.
type policy struct {
	t              *rapid.T
	lines, helpers []string
	names          int
}

func (p *policy) line(text string) { p.lines = append(p.lines, text) }

// body draws a query, which may use rules of its own down to a depth.
func (p *policy) body(depth int) string {
	var parts []string
	for range rapid.IntRange(1, 3).Draw(p.t, "expressions") {
		parts = append(parts, p.expression(depth))
	}
	return strings.Join(parts, "; ")
}

func (p *policy) expression(depth int) string {
	text := ""
	switch kind := rapid.IntRange(0, 5).Draw(p.t, "what"); {
	case depth > 0 && kind == 0:
		text = p.helper(depth - 1)
	case kind < 3:
		text = p.seen()
	default:
		text = p.comparison()
	}
	if rapid.IntRange(0, 2).Draw(p.t, "negated") == 0 && !strings.Contains(text, "some ") && !strings.Contains(text, ":=") {
		return "not " + text
	}
	return text
}

// helper draws a rule, and returns what asks for it.
func (p *policy) helper(depth int) string {
	p.names++
	name := fmt.Sprint("h", p.names)
	switch rapid.IntRange(0, 3).Draw(p.t, "kind") {
	case 0:
		p.helpers = append(p.helpers, fmt.Sprintf("%s(x) if { startswith(x, \"/r\"); %s }", name, p.body(depth)))
		return name + "(http.path)"
	case 1:
		p.helpers = append(p.helpers, "default "+name+" := false")
	}
	for range rapid.IntRange(1, 2).Draw(p.t, "rules") {
		p.helpers = append(p.helpers, fmt.Sprintf("%s if { %s }", name, p.body(depth)))
	}
	return name
}

func (p *policy) pick(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(p.t, what)
}

// text draws something of a request that is mostly text.
func (p *policy) text() string {
	return p.pick("text", "http.method", "http.path", "http.host", `http.headers["x-a"]`, `http.headers["x-b"]`, "claims.role", "claims.sub",
		"verified.sub", "input.gatehouse.identity.subject", "claims.realm.kind", "claims.level", `http.headers["x-c"]`, `http.headers.cookie`, `http.headers[":path"]`, peer, "input.attributes.source.principal",
		"input.source_principal")
}

// peer is the address of who opened the connection.
const peer = "input.attributes.source.address.socketAddress.address"

// constant draws a value to compare with.
func (p *policy) constant() string {
	return p.pick("constant", `"GET"`, `"PUT"`, `"/r/a"`, `"/r/a?q=1"`, `"api.bank.test"`, `"teller"`, `"alice"`, `"a"`, `"a,b"`, `""`, `"é!"`, "3", "true", "false",
		"input.gatehouse.parameters.role", "input.gatehouse.parameters.level", "0", `"user"`, `",a"`, `","`, `"127.0.0.1"`,
		`"spiffe://bank.test/tellers/anna"`, `"till.bank.test"`, `"CN=anna"`, `"k=v; a"`)
}

// piece draws a text to look for in another.
func (p *policy) piece() string {
	return p.pick("piece", `"/r"`, `"/r/a"`, `"q=1"`, `"a"`, `"api."`, `".test"`, `"tell"`, `"é"`, `"!"`, `"ice"`, "input.gatehouse.parameters.role", `","`, `"127."`, `"127.0.0."`,
		`"spiffe://bank.test/"`, `".bank.test"`, `"CN="`, `"k="`)
}

// seen draws something that Envoy sees of a request by its expressions and its rules on addresses.
func (p *policy) seen() string {
	switch rapid.IntRange(0, 5).Draw(p.t, "seen") {
	case 0:
		return fmt.Sprintf("%s == %s", peer, p.pick("address", `"127.0.0.1"`, `"127.0.0.2"`, `"::1"`, `"127.0.0.01"`))
	case 1:
		return fmt.Sprintf("net.cidr_contains(%s, %s)", p.pick("network", `"127.0.0.0/31"`, `"127.0.0.2/8"`, `"127.0.0.2/32"`, `"::/0"`, `"10.0.0.0/8"`), peer)
	case 2:
		return fmt.Sprintf("startswith(%s, %s)", peer, p.pick("start", `"127."`, `"127.0.0."`, `"10."`))
	case 3:
		return fmt.Sprintf("%s(%s, %s)", p.pick("function", "startswith", "endswith", "contains"),
			p.pick("principal", "input.attributes.source.principal", "input.source_principal"),
			p.pick("name", `"spiffe://bank.test/"`, `"spiffe://bank.test/tellers/"`, `".bank.test"`, `"CN=anna"`, `"anna"`))
	case 4:
		return p.pick("there", `http.headers["x-b"]`, `http.headers["x-c"]`, "http.headers.cookie", "input.source_principal", peer, `http.headers["x-missing"]`)
	}
	return p.pick("header", `http.headers["x-a"]`, `http.headers["x-b"]`, `http.headers["x-c"]`, `http.headers.cookie`) +
		p.pick("operator", " == ", " != ") + p.pick("value", `"a"`, `"a,b"`, `"b"`, `""`, `","`, `"A"`, `"a,a"`, `"k=v; a"`)
}

func (p *policy) comparison() string {
	list := p.pick("list", "claims.roles", "claims.realm.roles", "input.gatehouse.identity.scopes", "verified.roles")
	switch rapid.IntRange(0, 15).Draw(p.t, "comparison") {
	case 0, 1:
		return p.text() + p.pick("operator", " == ", " = ") + p.constant()
	case 2:
		return p.text() + " != " + p.constant()
	case 3:
		return p.pick("function", "startswith", "endswith", "contains") + "(" + p.text() + ", " + p.piece() + ")"
	case 4:
		return fmt.Sprintf("regex.match(%s, %s)", p.pick("pattern", `"^/r/[a-z]+$"`, `"r.a"`, `"[^a-z/]"`, `"^$"`, `"(GET|PUT)"`, `"^[a-é]"`, `"^a"`, `"a$"`, `"^(a|b)$"`, `"^a.*b"`, `"b,?a"`, `"CN=|till"`), p.text())
	case 5:
		return p.text() + " in " + p.pick("set", `{"GET", "PUT"}`, `["teller", 3, true]`, `{"alice", "bob"}`, "input.gatehouse.parameters.roles", "set()", "data.banned")
	case 6:
		return p.constant() + " in " + list
	case 7:
		return fmt.Sprintf("some r in %s; r == %s", list, p.constant())
	case 8:
		return p.pick("part", "claims.admin", "claims.role", `http.headers["x-a"]`, "claims.realm.kind", "input.gatehouse.identity.subject", "claims.missing", "claims")
	case 9:
		return fmt.Sprintf("x := %s; startswith(x, %s); x != %s", p.text(), p.piece(), p.constant())
	case 10:
		return "some b in data.banned; claims.sub == b"
	case 11:
		return "startswith(http.path, data.paths[_])"
	case 12:
		return "http.method in data.may[claims.role]"
	case 13:
		return fmt.Sprintf("strings.any_prefix_match(%s, %s)", p.text(), p.pick("prefixes", `["/r", "al"]`, `"a"`, `{"G", "é"}`))
	case 14:
		return "input.gatehouse.parameters.level == " + p.constant()
	}
	return fmt.Sprintf("%s == data.may[%s][_]", p.text(), p.pick("key", `"teller"`, "claims.role", "input.gatehouse.parameters.role"))
}
