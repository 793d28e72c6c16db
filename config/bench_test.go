package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// routes is a configuration of n routes: Route documents, operations written out, or operations of contracts.
func routes(kind string, n int) fstest.MapFS {
	files := fstest.MapFS{"edge.yaml": &fstest.MapFile{Data: []byte(`schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: here
endpoints: [{address: "127.0.0.1:9001"}]
`)}}
	const perFile = 100
	for f := range n / perFile {
		var doc, contract strings.Builder
		switch kind {
		case "documents":
			doc.WriteString("schema: 1\n")
			for i := range perFile {
				fmt.Fprintf(&doc, `kind: Route
name: route-%d-%d
team: payments
expose: [{gateway: edge, hosts: [api.bank.test]}]
match: {path: "/r%d/%d/{id}", method: GET}
to: [{upstream: here, weight: 1}]
authenticate: none
limits:
  - {name: per-client, key: client.address, limit: 100, per: 1m}
---
`, f, i, f, i)
			}
		default:
			fmt.Fprintf(&doc, "schema: 1\nkind: API\nname: api-%d\nversion: v1\nexpose: [{gateway: edge, base: /api%d}]\nto: here\nauthenticate: none\n", f, f)
		}
		switch kind {
		case "operations":
			doc.WriteString("operations:\n")
			for i := range perFile {
				fmt.Fprintf(&doc, "  - {id: op%d, method: GET, path: \"/things%d/{id}\", limits: [{name: one, key: client.address, limit: 100, per: 1m}]}\n", i, i)
			}
		case "contracts":
			fmt.Fprintf(&doc, "contract: ./api%d.openapi.yaml\n", f)
			contract.WriteString("openapi: 3.1.0\ninfo: {title: Things, version: \"1\"}\npaths:\n")
			for i := range perFile {
				fmt.Fprintf(&contract, `  /things%d/{id}:
    get:
      operationId: get%d
      summary: Reads one
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        "200": {description: OK, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
`, i, i)
			}
			contract.WriteString("components: {schemas: {Thing: {type: object, properties: {id: {type: string}}}}}\n")
			files[fmt.Sprintf("api%d.openapi.yaml", f)] = &fstest.MapFile{Data: []byte(contract.String())}
		}
		files[fmt.Sprintf("api%d.yaml", f)] = &fstest.MapFile{Data: []byte(doc.String())}
	}
	return files
}

func BenchmarkLoad5000Routes(b *testing.B) {
	for _, kind := range []string{"documents", "operations", "contracts"} {
		files := routes(kind, 5000)
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				docs, faults := config.LoadFS(files, config.Options{})
				if len(faults) > 0 || len(docs.APIs) == 0 {
					b.Fatal(faults)
				}
			}
		})
	}
}

// BenchmarkCanonical5000Operations compares and dumps 5,000 operations of 50 APIs with contracts, that were read anew on both
// sides: nothing is the same value in memory.
func BenchmarkCanonical5000Operations(b *testing.B) {
	load := func(files fstest.MapFS) *gateway.Documents {
		docs, faults := config.LoadFS(files, config.Options{})
		if len(faults) > 0 {
			b.Fatal(faults)
		}
		return docs
	}
	for _, kind := range []string{"documents", "operations", "contracts"} {
		files := routes(kind, 5000)
		before, after := load(files), load(files)
		files["api7.yaml"] = &fstest.MapFile{Data: bytes.Replace(files["api7.yaml"].Data, []byte("here"), []byte("there"), 1)}
		changed := load(files)
		for name, other := range map[string]*gateway.Documents{"equal": after, "one change": changed, "all new": nil} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if other == nil {
						config.Diff(nil, before)
					} else if n := len(config.Diff(before, other)); (n == 1) != (other == changed) {
						b.Fatal(n)
					}
				}
			})
		}
		b.Run(kind+"/dump", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				config.Dump(before)
			}
		})
	}
}

// BenchmarkEdit5000Routes edits one of 5,000 Route documents, and takes one away.
func BenchmarkEdit5000Routes(b *testing.B) {
	files := map[string][]byte{}
	for file, f := range routes("documents", 5000) {
		files[file] = f.Data
	}
	ref := gateway.Ref{Kind: gateway.KindRoute, Name: "route-7-7"}
	b.Run("edit", func(b *testing.B) {
		for b.Loop() {
			if _, faults := config.Edited(files, []config.Edit{{Object: ref, Set: []config.SetField{{Field: "to[here].weight", Value: "5"}}}}); len(faults) > 0 {
				b.Fatal(faults)
			}
		}
	})
	b.Run("without", func(b *testing.B) {
		for b.Loop() {
			config.Without(files, []gateway.Ref{ref})
		}
	})
	b.Run("keep", func(b *testing.B) {
		for b.Loop() {
			config.Keep(nil, files, []gateway.Ref{ref})
		}
	})
	one, refs := keptInOneFile(3000)
	b.Run("keep 3,000 in one file", func(b *testing.B) {
		for b.Loop() {
			config.Keep(nil, one, refs)
		}
	})
}

// keptInOneFile returns a file of upstreams, and their names.
func keptInOneFile(n int) (map[string][]byte, []gateway.Ref) {
	text, refs := []byte("schema: 1\n"), []gateway.Ref{}
	for i := range n {
		refs = append(refs, gateway.Ref{Kind: gateway.KindUpstream, Name: fmt.Sprintf("bank-%d", i)})
		text = fmt.Appendf(text, "kind: Upstream\nname: bank-%d\nendpoints: [{address: \"127.0.0.1:9001\"}]\n---\n", i)
	}
	return map[string][]byte{"upstreams.yaml": text}, refs
}

// TestKeepMany keeps many documents of one file, and has all of them.
func TestKeepMany(t *testing.T) {
	t.Parallel()
	from, refs := keptInOneFile(300)
	docs, faults := config.LoadFS(inMemory(config.Keep(nil, from, refs)), config.Options{})
	if len(faults) > 0 || len(docs.Upstreams) != len(refs) {
		t.Fatalf("%d of %d are kept: %v", len(docs.Upstreams), len(refs), faults)
	}
}
