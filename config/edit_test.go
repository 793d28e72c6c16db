package config_test

import (
	"maps"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

const edited = `# What the bank serves.

schema: 1
kind: Upstream   # Where payments are made.
name: payments
endpoints:
  # The old machine.
  - {address: "127.0.0.1:9001", weight: 2}   # Soon to go.
  - address: 127.0.0.1:9002

timeout: 1s # Not more.

# Health is asked for often.
health: {path: /healthz, interval: 2s}
---
# The API.
kind: API
name: payments
version: v1
labels: { tier: "gold" }
expose: [{gateway: edge, base: /payments}]
to: payments # Everything.
authenticate: none
limits:
- name: per-client
  key: client.address   # Counted by address.
  limit: 5
  per: 1m
operations:
  - id: get

    method: GET
    path: "/{id}"
  # Who pays.
  - {id: pay, method: POST, path: /}
---
kind: Upstream
name: other
endpoints: [{address: "127.0.0.1:9009"}]
`

// TestEditedKeepsEverythingElse edits fields of a file of several documents, and compares the lines that differ.
func TestEditedKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	upstream := gateway.Ref{Kind: gateway.KindUpstream, Name: "payments"}
	api := gateway.Ref{Kind: gateway.KindAPI, Name: "payments", Version: "v1"}
	for _, c := range []struct {
		name         string
		object       gateway.Ref
		field, value string
		want         []string // Lines that go, with "-", and come, with "+".
	}{
		{"a value", upstream, "timeout", "2s", []string{"-timeout: 1s # Not more.", "+timeout: 2s # Not more."}},
		{"a value between braces", upstream, "health.interval", "5s", []string{
			"-health: {path: /healthz, interval: 2s}", "+health: {path: /healthz, interval: 5s}",
		}},
		{"a new value between braces", upstream, "health.timeout", "1s", []string{
			"-health: {path: /healthz, interval: 2s}", "+health: {path: /healthz, interval: 2s, timeout: 1s}",
		}},
		{"a new field in its place", upstream, "balance", "random", []string{"+balance: random"}},
		{"a new field inside of a new field", upstream, "retries.attempts", "3", []string{"+retries:", "+  attempts: 3"}},
		{"an item by its name", upstream, "endpoints[127.0.0.1:9001].weight", "9", []string{
			`-  - {address: "127.0.0.1:9001", weight: 2}   # Soon to go.`, `+  - {address: "127.0.0.1:9001", weight: 9}   # Soon to go.`,
		}},
		{"a field of an item in lines", upstream, "endpoints[127.0.0.1:9002].weight", "3", []string{"+    weight: 3"}},
		{"a new item", upstream, "endpoints[127.0.0.1:9003].weight", "3", []string{`+  - address: "127.0.0.1:9003"`, "+    weight: 3"}},
		{"an item less", upstream, "endpoints[127.0.0.1:9001]", "", []string{`-  - {address: "127.0.0.1:9001", weight: 2}   # Soon to go.`}},
		{"a field less", upstream, "timeout", "", []string{"-timeout: 1s # Not more."}},
		{"a list whose two items change", upstream, "endpoints", `[{address: "127.0.0.1:9001", weight: 4}, {address: 127.0.0.1:9004}]`, []string{
			`-  - {address: "127.0.0.1:9001", weight: 2}   # Soon to go.`, "-  - address: 127.0.0.1:9002",
			`+  - {address: "127.0.0.1:9001", weight: 4}   # Soon to go.`, `+  - address: "127.0.0.1:9004"`,
		}},
		{"a shorthand that is not enough", api, "to[payments].weight", "90", []string{
			"-to: payments # Everything.", "+to: [{upstream: payments, weight: 90}] # Everything.",
		}},
		{"a list in place of a shorthand", api, "to", "[{upstream: payments, weight: 1}, other]", []string{
			"-to: payments # Everything.", "+to: [{upstream: payments, weight: 1}, other] # Everything.",
		}},
		{"a path in an operation", api, "operations[get].path", "/{id}/lines", []string{`-    path: "/{id}"`, `+    path: "/{id}/lines"`}},
		{"an operation between braces", api, "operations[pay].limits", "[]", []string{
			"-  - {id: pay, method: POST, path: /}", "+  - {id: pay, method: POST, path: /, limits: []}",
		}},
		{"an operation more", api, "operations[list]", "{id: list, method: GET, path: /}", []string{"+  - {id: list, method: GET, path: /}"}},
		{"an operation less", api, "operations[pay]", "", []string{"-  - {id: pay, method: POST, path: /}"}},
		{"a field of an item at the margin", api, "limits[per-client].limit", "6", []string{"-  limit: 5", "+  limit: 6"}},
		{"a limit more", api, "limits[all].limit", "6", []string{"+- name: all", "+  limit: 6"}},
		{"a label with a dot", api, "labels.bank.test/tier", "silver", []string{
			`-labels: { tier: "gold" }`, `+labels: { tier: "gold", bank.test/tier: silver }`,
		}},
		{"the last label", api, "labels.tier", "", []string{`-labels: { tier: "gold" }`, `+labels: {}`}},
		{"text of lines", api, "description", `"One.\nTwo."`, []string{"+description: |-", "+  One.", "+  Two."}},
		{"proofs in place of none", api, "authenticate", "{jwt: bank}", []string{"-authenticate: none", "+authenticate: {jwt: bank}"}},
		{"a base in an exposure", api, "expose[edge].base", "/pay", []string{
			"-expose: [{gateway: edge, base: /payments}]", "+expose: [{gateway: edge, base: /pay}]",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := map[string][]byte{"bank.yaml": []byte(edited), "a.rego": []byte("package a")}
			after, faults := config.Edited(before, []config.Edit{{Object: c.object, Set: []config.SetField{{Field: c.field, Value: c.value}}}})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if diff := cmp.Diff(c.want, lineDiff(edited, string(after["bank.yaml"]))); diff != "" {
				t.Errorf("lines (-want +got):\n%s\n%s", diff, after["bank.yaml"])
			}
			if string(before["bank.yaml"]) != edited || len(after) != 2 {
				t.Error("what was handed in was changed")
			}
		})
	}
}

// lineDiff returns the lines that are only in one of two texts: each run of them as it was, then as it is.
func lineDiff(before, after string) []string {
	b, a := slices.Collect(splitLines(before)), slices.Collect(splitLines(after))
	common := make([][]int, len(b)+1)
	for i := range common {
		common[i] = make([]int, len(a)+1)
	}
	for i, line := range slices.Backward(b) {
		for j, other := range slices.Backward(a) {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if line == other {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var gone, come []string
	for i, j := 0, 0; i < len(b) || j < len(a); {
		switch {
		case i < len(b) && j < len(a) && b[i] == a[j]:
			i, j = i+1, j+1
		case j == len(a) || i < len(b) && common[i+1][j] >= common[i][j+1]:
			gone = append(gone, "-"+b[i])
			i++
		default:
			come = append(come, "+"+a[j])
			j++
		}
	}
	return append(gone, come...)
}

func splitLines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			line, rest := text, ""
			for i := range text {
				if text[i] == '\n' {
					line, rest = text[:i], text[i+1:]
					break
				}
			}
			if !yield(line) {
				return
			}
			text = rest
		}
	}
}

// TestEditedDocuments adds, replaces and removes documents, and compares the files that come out with those beside them.
func TestEditedDocuments(t *testing.T) {
	t.Parallel()
	ref := func(kind gateway.Kind, name string) gateway.Ref { return gateway.Ref{Kind: kind, Name: name} }
	one := "kind: Upstream\nname: one\nendpoints: [{address: 127.0.0.1:1}]\n"
	two := "kind: Upstream\nname: two\nendpoints: [{address: 127.0.0.1:2}] # 2\n"
	for name, c := range map[string]struct {
		files string
		edits []config.Edit
		want  string
	}{
		"the first of two goes": {
			"-- a.yaml --\n# Licence.\n\nschema: 1\n" + one + "---\n# Two.\n" + two,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "one"), Remove: true}},
			"-- a.yaml --\n# Licence.\n\n# Two.\nschema: 1\n" + two,
		},
		"the last of two goes": {
			"-- a.yaml --\nschema: 1\n" + one + "---\n# Two.\n" + two,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "two"), Remove: true}},
			"-- a.yaml --\nschema: 1\n" + one,
		},
		"the only one goes with its file": {
			"-- a.yaml --\nschema: 1\n" + one + "-- b.yaml --\nschema: 1\n" + two,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "one"), Remove: true}},
			"-- b.yaml --\nschema: 1\n" + two,
		},
		"a new one without a file": {
			"-- a.yaml --\nschema: 1\n" + one,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "two"), Document: two, New: true}},
			"-- a.yaml --\nschema: 1\n" + one + "-- objects.yaml --\nschema: 1\n" + two,
		},
		"a new one into a file": {
			"-- a.yaml --\nschema: 1\n" + one,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "two"), Document: "schema: 1\n" + two, File: "a.yaml"}},
			"-- a.yaml --\nschema: 1\n" + one + "---\n" + two,
		},
		"another in place of the first": {
			"-- a.yaml --\nschema: 1\n" + one + "---\n" + two,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "one"), Document: "kind: Upstream\nname: one\nendpoints: pushed"}},
			"-- a.yaml --\nschema: 1\nkind: Upstream\nname: one\nendpoints: pushed\n---\n" + two,
		},
		"another in place of the second": {
			"-- a.yaml --\nschema: 1\n" + one + "---\n" + two,
			[]config.Edit{{Object: ref(gateway.KindUpstream, "two"), Document: "schema: 1\nkind: Upstream\nname: two\nendpoints: pushed"}},
			"-- a.yaml --\nschema: 1\n" + one + "---\nkind: Upstream\nname: two\nendpoints: pushed\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, faults := config.Edited(unpacked(c.files), c.edits)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if diff := cmp.Diff(c.want, all(after)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if _, faults := config.LoadFS(inMemory(after), config.Options{}); len(faults) > 0 {
				t.Error(faults)
			}
		})
	}
}

func unpacked(text string) map[string][]byte {
	out := map[string][]byte{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		out[f.Name] = f.Data
	}
	return out
}

func inMemory(files map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for path, text := range files {
		out[path] = &fstest.MapFile{Data: text}
	}
	return out
}

// TestEditedRefuses edits what cannot be edited, and wants a fault with a place and a reason.
func TestEditedRefuses(t *testing.T) {
	t.Parallel()
	upstream := gateway.Ref{Kind: gateway.KindUpstream, Name: "payments"}
	set := func(field, value string) config.Edit {
		return config.Edit{Object: upstream, Set: []config.SetField{{Field: field, Value: value}}}
	}
	for want, edit := range map[string]config.Edit{
		`bank.yaml:4:1: GH102: the path "helth.path" leads nowhere: there is no field "helth", did you mean "health"?`:                                                                                                                                                set("helth.path", "/"),
		`bank.yaml:11:10: GH102: the path "timeout.x" leads nowhere: there is nothing inside of a single value`:                                                                                                                                                       set("timeout.x", "1"),
		`bank.yaml:11:10: GH101: the value of timeout: this is no YAML that can be read: did not find expected ',' or ']', while parsing a flow sequence that begins in line 1: close it, and quote a text that holds a bracket, a brace or a comma, such as "/{id}"`: set("timeout", "[1"),
		"bank.yaml:4:1: GH104: there is no retries.attempts here: correct the path":                                                                                                                                                                                   set("retries.attempts", ""),
		"bank.yaml:5:7: GH116: name tells which object this is: remove the object, and add one of the other name":                                                                                                                                                     set("name", "x"),
		"bank.yaml:4:1: GH116: an edit is a document, fields or a removal: give one of them":                                                                                                                                                                          {Object: upstream},
		"bank.yaml:5:7: GH107: Upstream payments is there already: change it, or choose another name":                                                                                                                                                                 {Object: upstream, Document: "kind: Upstream", New: true},
		": GH201: there is no Upstream pay here: correct kind, name or version":                                                                                                                                                                                       {Object: gateway.Ref{Kind: gateway.KindUpstream, Name: "pay"}, Remove: true},
		"bank.yaml:4:1: GH101: the text is not the document of Upstream payments: write one document of that kind and name":                                                                                                                                           {Object: upstream, Document: "kind: Upstream\nname: other"},
	} {
		_, faults := config.Edited(map[string][]byte{"bank.yaml": []byte(edited)}, []config.Edit{edit})
		if len(faults) != 1 || faults[0].Error() != want {
			t.Errorf("got %v, want %s", faults, want)
		}
	}
}

// TestKeep keeps documents of files by their text, with the files that they name.
func TestKeep(t *testing.T) {
	t.Parallel()
	before := unpacked(`-- a.yaml --
schema: 1
kind: Upstream
name: one
endpoints: pushed
---
# The policy.
kind: Policy
name: allow
file: rego/allow.rego
---
kind: API
name: shop
version: v1
contract: shop.yaml
-- shop.yaml --
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths: {/: {$ref: parts/root.yaml}}
-- parts/root.yaml --
get: {operationId: root}
-- rego/allow.rego --
package allow
-- rego/other.rego --
package other
`)
	now := unpacked("-- a.yaml --\nschema: 1\nkind: Upstream\nname: one\nendpoints: [{address: 127.0.0.1:1}]\n")
	got := config.Keep(now, before, []gateway.Ref{
		{Kind: gateway.KindPolicy, Name: "allow"}, {Kind: gateway.KindAPI, Name: "shop", Version: "v1"},
	})
	want := maps.Clone(before)
	delete(want, "rego/other.rego")
	want["a.yaml"] = []byte(string(now["a.yaml"]) + string(before["a.yaml"][len("schema: 1\nkind: Upstream\nname: one\nendpoints: pushed\n"):]))
	if diff := cmp.Diff(all(want), all(got)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if rest := config.Without(got, []gateway.Ref{{Kind: gateway.KindUpstream, Name: "one"}}); slices.Contains(slices.Sorted(maps.Keys(rest)), "none") || len(rest) != len(got) {
		t.Errorf("without one of three documents there are %d files, not %d", len(rest), len(got))
	}
}
