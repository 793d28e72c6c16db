package config_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gatehouse/gatehouse/config"
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
