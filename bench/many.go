package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The documents of many APIs, each with an upstream of its own, as an organisation has them.

func host(i int) string { return fmt.Sprintf("api-%d.nordhaven.test", i%loadedHosts) }

func apiFile(i int) string { return fmt.Sprintf("api-%d.yaml", i) }

func contractFile(i int) string { return fmt.Sprintf("contract-%d.openapi.yaml", i) }

// apiDocument returns an API with its upstream; its operations stand in it or in its contract.
func apiDocument(i int, contract bool, limit int) string {
	var out strings.Builder
	fmt.Fprintf(&out, `schema: 1
kind: Upstream
name: service-%[1]d
endpoints: [{address: "127.0.0.1:9001"}, {address: "127.0.0.1:9002"}]
health: {path: /healthz}
---
kind: API
name: service-%[1]d
version: v1
team: team-%[2]d
expose: [{gateway: edge, hosts: [%[3]s], base: /service-%[1]d}]
to: service-%[1]d
authenticate: {jwt: bank}
authorize: [{policy: bank.policy%[2]d, with: {teller: teller}}]
limits: [{name: per-customer, key: token.sub, limit: %[4]d, per: 1m}]
`, i, i%policies, host(i), limit)
	if contract {
		fmt.Fprintf(&out, "contract: ./%s\n", contractFile(i))
		return out.String()
	}
	out.WriteString("unlisted: forward\noperations:\n")
	for op := range operationsPerAPI {
		fmt.Fprintf(&out, "  - {id: op-%d, method: GET, path: \"/op-%d/{id}\"}\n", op, op)
	}
	return out.String()
}

// contractDocument returns the contract of an API, with the schemas that contracts have.
func contractDocument(i int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "openapi: 3.1.0\ninfo: {title: Service %d, version: 1.0.0}\npaths:\n", i)
	for op := range operationsPerAPI {
		fmt.Fprintf(&out, `  /op-%[1]d/{id}:
    get:
      operationId: op-%[1]d
      summary: Read what operation %[1]d keeps
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
      responses:
        "200":
          description: The thing
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Thing"}
`, op)
	}
	out.WriteString(`components:
  schemas:
    Thing:
      type: object
      required: [id, amount]
      properties:
        id: {type: string}
        amount: {type: string, pattern: "^[0-9]+$"}
        note: {type: string, maxLength: 140}
`)
	return out.String()
}

// policyDocument returns one of several policies, all different.
func policyDocument(i int) string {
	return fmt.Sprintf(`schema: 1
kind: Policy
name: bank.policy%[1]d
rego: |
  package bank.policy%[1]d

  reading := input.attributes.request.http.method == "GET"

  allow := {"allowed": true} if {
    reading
    input.gatehouse.identity.subject == input.gatehouse.path.id
  } else := {"allowed": true} if {
    reading
    input.gatehouse.identity.claims.role == input.gatehouse.parameters.teller
  } else := {"allowed": false, "reason": "not-yours-%[1]d"}
`, i)
}

func readText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the example: %w", err)
	}
	return string(text), nil
}

// fleetDocuments writes the documents of a fleet: many APIs of as many public routes, spread over hosts.
func (b *bench) fleetDocuments(hosts int) (string, error) {
	dir, err := b.subdir(fmt.Sprintf("hosts-%d", hosts))
	if err != nil {
		return "", err
	}
	var names strings.Builder
	for i := range hosts {
		fmt.Fprintf(&names, "h%d.nordhaven.test, ", i)
	}
	for i := range fleetHosts {
		if err := writeFile(filepath.Join(dir, apiFile(i)), fleetAPI(i, i%hosts, "/op-0")); err != nil {
			return "", fmt.Errorf("write the documents: %w", err)
		}
	}
	text := "schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, address: 127.0.0.1, port: 8080, hosts: [" +
		strings.TrimSuffix(names.String(), ", ") + "]}]\n---\nkind: Upstream\nname: backend\nendpoints: [{address: \"127.0.0.1:9001\"}]\n"
	if err := writeFile(filepath.Join(dir, "gateway.yaml"), text); err != nil {
		return "", fmt.Errorf("write the documents: %w", err)
	}
	return dir, nil
}

// fleetAPI returns one API at a host; first is the path of its first operation.
func fleetAPI(i, host int, first string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "schema: 1\nkind: API\nname: api-%[1]d\nversion: v1\nexpose: [{gateway: edge, hosts: [h%[3]d.nordhaven.test], base: /api-%[1]d}]\n"+
		"to: backend\nauthenticate: none\nunlisted: forward\noperations:\n  - {id: op-0, method: GET, path: %[2]q}\n", i, first, host)
	for op := range fleetRoutes - 2 {
		fmt.Fprintf(&out, "  - {id: op-%[1]d, method: GET, path: \"/op-%[1]d/{id}\"}\n", op+1)
	}
	return out.String()
}
