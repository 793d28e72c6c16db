package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/config"
)

// speller writes configurations: what they say is drawn from one source, how they say it from another.
type speller struct{ says, spells *rand.Rand }

// object is a mapping whose fields are written in any order.
type object map[string]any

func (s *speller) bool() bool { return s.says.IntN(2) == 0 }

// either returns one of several spellings of one thing.
func (s *speller) either(spellings ...any) any { return spellings[s.spells.IntN(len(spellings))] }

// standard writes a default out, or leaves it out.
func (s *speller) standard(o object, field string, value any) {
	if s.spells.IntN(2) == 0 {
		o[field] = value
	}
}

// choice writes one of several values, of which the first is the default.
func (s *speller) choice(o object, field string, values ...any) {
	if i := s.says.IntN(len(values)); i > 0 {
		o[field] = values[i]
	} else {
		s.standard(o, field, values[0])
	}
}

// some returns some of a list, in any order, never none.
func (s *speller) some(list ...any) []any {
	n := 1 + s.says.IntN(len(list))
	chosen := slices.Clone(list)
	s.says.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	return s.shuffled(chosen[:n])
}

func (s *speller) shuffled(list []any) []any {
	s.spells.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// single writes a list of one without its brackets, or with them.
func (s *speller) single(list []any) any {
	if len(list) == 1 {
		return s.either(list[0], list)
	}
	return list
}

func (s *speller) destinations() any {
	var list []any
	for _, upstream := range []string{"u0", "u1", "u2"}[s.says.IntN(3):] {
		o := object{"upstream": upstream}
		s.choice(o, "weight", 1, 2, 3)
		if len(o) == 1 {
			list = append(list, s.either(upstream, o))
		} else {
			list = append(list, o)
		}
	}
	return s.single(s.shuffled(list))
}

func (s *speller) authenticate() any {
	if s.bool() {
		return "none"
	}
	proof := func(issuer string) object {
		o := object{"jwt": issuer}
		if s.bool() {
			o["scopes"] = s.some("read", "write", "admin")
		} else {
			s.standard(o, "scopes", []any{})
		}
		return o
	}
	first := proof("i0")
	if s.bool() {
		return s.either(first, object{"any": []any{first}}, object{"all": []any{first}})
	}
	return object{"any": s.shuffled([]any{first, proof("i1")})}
}

func (s *speller) authorize() any {
	list := []any{s.either("p0", object{"policy": "p0"}, object{"policy": "p0", "mode": "enforce"})}
	if s.bool() {
		list = append(list, object{"policy": "p1", "with": object{"a": s.says.IntN(9), "b": []any{1, nil, "x"}}})
	}
	return s.single(list)
}

func (s *speller) limits() []any {
	var list []any
	for _, name := range []string{"a", "b"} {
		o := object{"name": name, "limit": 1 + s.says.IntN(100), "per": s.either("1m", "60s")}
		switch s.says.IntN(3) {
		case 0:
			o["key"] = s.either("client.address", []any{"client.address"})
		case 1:
			o["key"] = []any{"client.address", s.either("header.x-tenant", "header.X-Tenant")}
		}
		list = append(list, o)
	}
	return s.shuffled(list)
}

func (s *speller) headers() object {
	return object{"response": object{
		"set":    object{s.either("x-frame", "X-Frame").(string): "deny {request.id} {{}}"},
		"remove": s.shuffled([]any{"server", s.either("Via", "via")}),
	}}
}

func (s *speller) conditions() object {
	o := object{"headers": object{s.either("x-kind", "X-Kind").(string): s.either("a", object{"value": "a"})}}
	if s.bool() {
		o["query"] = object{"q": s.either("", object{"present": true}, object{"value": ""}, object{})}
	}
	return o
}

func (s *speller) methods(o object) {
	switch s.says.IntN(3) {
	case 0:
		if s.spells.IntN(2) == 0 {
			o["method"] = "GET"
		} else {
			o["methods"] = []any{"GET"}
		}
	case 1:
		o["methods"] = s.shuffled([]any{"POST", "PUT"})
	}
}

func (s *speller) exposed(base string) object {
	o := object{"gateway": "edge", "base": base}
	if s.bool() {
		o["hosts"] = s.shuffled([]any{"api.bank.test", s.either("www.bank.test", "WWW.bank.test")})
	}
	s.standard(o, "by", "path")
	return o
}

func (s *speller) api(n int) object {
	o := object{
		"kind": "API", "name": fmt.Sprintf("a%d", n), "version": "v1", "expose": []any{s.exposed(fmt.Sprintf("/a%d", n))},
		"to": s.destinations(), "authenticate": s.authenticate(), "authorize": s.authorize(), "limits": s.limits(),
	}
	s.choice(o, "stage", "published", "draft")
	s.choice(o, "unlisted", "refuse", "forward")
	if s.bool() {
		o["labels"] = object{"tier": "gold", "Yes": "no", "1": "2"}
	}
	if s.bool() {
		o["description"] = "One: line.\nAnother # one\n\tand\n"
	}
	if s.bool() {
		o["headers"] = s.headers()
	}
	away := object{}
	s.choice(away, "authorization", "closed", "open")
	s.choice(away, "limits", "open", "closed")
	if len(away) > 0 || s.spells.IntN(2) == 0 {
		o["when-away"] = away
	}
	var operations []any
	for i := range s.says.IntN(4) {
		op := object{"id": fmt.Sprintf("op%d", i), "path": fmt.Sprintf("/op%d/{id}", i)}
		s.methods(op)
		switch s.says.IntN(5) {
		case 0:
			op["limits"] = []any{}
		case 1:
			op["authorize"] = []any{}
		case 2:
			op["match"] = s.conditions()
		case 3:
			op["to"] = s.destinations()
		}
		operations = append(operations, op)
	}
	if len(operations) > 0 {
		o["operations"] = s.shuffled(operations)
	} else if s.spells.IntN(2) == 0 {
		o["operations"] = []any{object{"id": "all", "path": "/**"}}
	}
	return o
}

func (s *speller) route(n int) object {
	o := object{
		"kind": "Route", "name": fmt.Sprintf("r%d", n), "expose": s.single([]any{s.exposed(fmt.Sprintf("/r%d", n))}),
		"to": s.destinations(), "authenticate": s.authenticate(),
	}
	match := object{}
	s.methods(match)
	if s.bool() {
		match["path-regex"] = "/x[0-9]+"
	} else {
		s.standard(match, "path", "/**")
	}
	if len(match) > 0 || s.spells.IntN(2) == 0 {
		o["match"] = match
	}
	s.standard(o, "protocol", "http")
	return o
}

func (s *speller) upstream(n int) object {
	o := object{"kind": "Upstream", "name": fmt.Sprintf("u%d", n)}
	switch s.says.IntN(3) {
	case 0:
		o["endpoints"] = "pushed"
	case 1:
		o["endpoints"] = object{"srv": s.either("_http._tcp.bank.test", "_HTTP._tcp.bank.test")}
	default:
		first := object{"address": "127.0.0.1:9001"}
		s.choice(first, "weight", 1, 2)
		o["endpoints"] = s.shuffled([]any{first, object{"address": s.either("[::1]:80", "[0::1]:80")}})
	}
	s.choice(o, "balance", "least-request", "random")
	if s.bool() {
		balance := object{"method": "maglev", "by": s.either("header.x-user", "header.X-User")}
		s.choice(balance, "panic", s.either("50%", "50.0%"), "0%")
		s.choice(balance, "zones", "all", "own-first")
		o["balance"] = balance
	}
	s.choice(o, "timeout", s.either("15s", "15000ms"), "1s")
	if s.bool() {
		o["tls"] = object{"names": s.shuffled([]any{"b.bank.test", "*.bank.test"}), "sni": "b.bank.test"}
	}
	if s.bool() {
		eject := object{}
		s.choice(eject, "errors", 5, 0)
		s.choice(eject, "for", s.either("30s", "30000ms"), "1m")
		o["eject"] = eject
	}
	if s.bool() {
		bulkhead := object{}
		s.choice(bulkhead, "connections", 4096, 7)
		o["bulkhead"] = bulkhead
	}
	if s.bool() {
		health := object{"path": "/healthz"}
		if s.bool() {
			health["statuses"] = s.shuffled([]any{s.either("200", "200-200"), "300-399"})
		}
		s.choice(health, "interval", "5s", "1m30s")
		s.choice(health, "healthy", 2, 3)
		o["health"] = health
	}
	if s.bool() {
		retries := object{}
		s.choice(retries, "attempts", 1, 3)
		s.choice(retries, "budget", s.either("20%", "20.0%"), "12.5%")
		if s.bool() {
			retries["on"] = []any{"connect-failure"}
			retries["statuses"] = s.shuffled([]any{502, 503})
			retries["backoff"] = object{"base": s.either("100ms", "0s100ms"), "max": "1s"}
		} else {
			s.standard(retries, "on", s.shuffled([]any{"connect-failure", "refused-stream", "reset-before-request"}))
		}
		o["retries"] = retries
	}
	return o
}

func (s *speller) gateway() object {
	listener := object{"name": "http", "port": 8080}
	s.standard(listener, "address", "0.0.0.0")
	s.standard(listener, "hosts", []any{"*"})
	o := object{"kind": "Gateway", "name": "edge", "listeners": s.shuffled([]any{
		listener, object{"name": "other", "port": 8081, "hosts": s.shuffled([]any{"*.bank.test", "*"})},
	})}
	s.choice(o, "fleet", "edge", "west")
	if s.bool() {
		o["trust"] = object{"proxies": s.shuffled([]any{s.either("192.0.2.1", "192.0.2.1/32"), "10.0.0.0/8"})}
	}
	if s.bool() {
		rollout := object{"waves": []any{object{"percent": "1%"}, object{"nodes": s.shuffled([]any{"n1", "n2"})}}}
		s.choice(rollout, "soak", "30s", "5s")
		s.choice(rollout, "patience", s.either("10m", "600s"), "1h")
		o["rollout"] = rollout
	}
	timeouts := object{}
	s.choice(timeouts, "authorization", s.either("1s", "1000ms"), "2s")
	if len(timeouts) > 0 {
		o["timeouts"] = timeouts
	}
	return o
}

// issuer has a key set as a mapping or as JSON.
func (s *speller) issuer(n int) object {
	keys := object{"keys": []any{object{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}}
	return object{
		"kind": "Issuer", "name": fmt.Sprintf("i%d", n), "issuer": fmt.Sprintf("https://i%d.bank.test", n),
		"audiences": s.some("a", "b", "c"), "jwks": object{"inline": s.either(keys, jsonOf(s, keys))},
	}
}

func (s *speller) policy(n int) object {
	o := object{"kind": "Policy", "name": fmt.Sprintf("p%d", n), "rego": fmt.Sprintf("package p%d\n\nallow if {\n\tinput.x == \"%d\"\n}\n", n, s.says.IntN(5))}
	if s.bool() {
		o["data"] = object{"deep": object{"list": []any{true, 1.5, nil, "on", "0x1F", "2001-01-01", ""}}}
	} else {
		s.standard(o, "data", object{})
	}
	return o
}

// files deals the documents to files.
func (s *speller) files() fstest.MapFS {
	docs := []object{s.gateway(), s.issuer(0), s.issuer(1), s.policy(0), s.policy(1)}
	for n := range 3 {
		docs = append(docs, s.upstream(n))
	}
	for n := range 1 + s.says.IntN(3) {
		docs = append(docs, s.api(n), s.route(n))
	}
	s.spells.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	dealt := map[string][]string{}
	for _, doc := range docs {
		file := []string{"a.yaml", "b.yaml"}[s.spells.IntN(2)]
		dealt[file] = append(dealt[file], jsonOf(s, doc)+"\n")
	}
	files := fstest.MapFS{}
	for file, docs := range dealt {
		docs[0] = strings.Replace(docs[0], "{", `{"schema": 1, `, 1)
		files[file] = &fstest.MapFile{Data: []byte(strings.Join(docs, "---\n"))}
	}
	return files
}

// jsonOf writes a value as JSON, which is YAML, with its fields in any order.
func jsonOf(s *speller, value any) string {
	switch v := value.(type) {
	case object:
		keys := slices.Sorted(maps.Keys(v))
		s.spells.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		var parts []string
		for _, key := range keys {
			parts = append(parts, fmt.Sprintf("%q: %s", key, jsonOf(s, v[key])))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, jsonOf(s, item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestSpellingMakesNoDifference writes configurations twice, in two of the many ways in which they can be written: nothing differs
// between the two, both are dumped to the same bytes, and the dump is the same configuration.
func TestSpellingMakesNoDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		says, one, two := rapid.Uint64().Draw(t, "says"), rapid.Uint64().Draw(t, "one"), rapid.Uint64().Draw(t, "two")
		spelt := func(seed uint64) fstest.MapFS {
			return (&speller{says: rand.New(rand.NewPCG(says, 0)), spells: rand.New(rand.NewPCG(seed, 0))}).files()
		}
		first, second := spelt(one), spelt(two)
		a, faults := config.LoadFS(first, config.Options{})
		b, more := config.LoadFS(second, config.Options{})
		if len(faults)+len(more) > 0 {
			t.Fatalf("%v %v", faults, more)
		}
		if changes := config.Diff(a, b); len(changes) > 0 {
			t.Fatalf("%+v\n%s\n%s", changes, text(first), text(second))
		}
		if x, y := config.Dump(a), config.Dump(b); all(x) != all(y) {
			t.Fatalf("two dumps:\n%s\n%s", all(x), all(y))
		}
		checkDump(t, first, a)
	})
}

func text(files fstest.MapFS) string {
	out := map[string][]byte{}
	for path, file := range files {
		out[path] = file.Data
	}
	return all(out)
}
