package config_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

const libraryUser = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: bank
endpoints: [{address: 127.0.0.1:9000}]
---
kind: Issuer
name: idp
issuer: https://id.bank.test
jwks: {url: https://id.bank.test/keys}
---
kind: API
name: payments
version: v1
contract: ./payments.yaml
expose: [{gateway: edge}]
to: bank
authenticate: {jwt: idp}
authorize: [{policy: gatehouse.scopes}, {policy: gatehouse.step-up, with: {amount: amount, above: 1000, acr: [strong]}}]
`

const secured = `openapi: 3.1.0
info: {title: payments, version: "1"}
security: [{idp: [payments:read]}]
paths:
  /:
    get: {operationId: list, responses: {}}
    post: {operationId: create, security: [{idp: [payments:write, payments:read], other: [x]}, {key: []}], responses: {}}
    delete: {operationId: clear, security: [], responses: {}}
`

// TestLibrary applies policies that ship with Gatehouse by their names, and reads what the contract asks for.
func TestLibrary(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"a.yaml": {Data: []byte(libraryUser)}, "payments.yaml": {Data: []byte(secured)}}
	var memory config.Memory
	docs, faults := config.LoadFS(files, config.Options{Memory: &memory})
	rev, more := gateway.Assemble(docs, nil)
	if faults = append(faults, more...); len(faults) > 0 {
		t.Fatal(faults)
	}
	scopes := map[string][][]string{}
	for _, r := range rev.Routes {
		if r.Action == gateway.ActionForward {
			scopes[r.Operation] = r.ContractScopes
			if len(r.Authorize) != 2 || r.Authorize[0].Policy.Source == "" {
				t.Errorf("%s applies %d policies", r.Name, len(r.Authorize))
			}
		}
	}
	want := map[string][][]string{"list": {{"payments:read"}}, "create": {{"payments:read", "payments:write", "x"}, {}}, "clear": {}}
	if diff := cmp.Diff(want, scopes); diff != "" {
		t.Error(diff)
	}
	if len(docs.Policies) > 0 || len(docs.Files) != 2 {
		t.Errorf("the library is among the documents: %d policies, %d files", len(docs.Policies), len(docs.Files))
	}
	again, _ := config.LoadFS(files, config.Options{Memory: &memory})
	if !slices.Equal(again.Library, docs.Library) {
		t.Error("the library is other values when loaded again, so that every API that applies it is compiled again")
	}
}

// TestLibraryNamesAreTaken refuses a document that would stand in for a policy that ships with Gatehouse.
func TestLibraryNamesAreTaken(t *testing.T) {
	t.Parallel()
	_, faults := config.LoadFS(fstest.MapFS{"a.yaml": {Data: []byte("schema: 1\nkind: Policy\nname: gatehouse.roles\nrego: |\n  package a\n")}}, config.Options{})
	if len(faults) != 1 || faults[0].Code != gateway.CodeBadValue || faults[0].Field != "name" {
		t.Errorf("%v", faults)
	}
}

// TestSecurityThatCannotBeRead blames each place of a contract whose security is no list of mappings of lists.
func TestSecurityThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"5", "[5]", "[{idp: [5]}]", "[[idp]]"} {
		contract := "openapi: 3.1.0\ninfo: {title: a, version: \"1\"}\nsecurity: " + wrong + "\npaths: {/: {get: {operationId: list, responses: {}}}}\n"
		_, faults := config.LoadFS(fstest.MapFS{"a.yaml": {Data: []byte(libraryUser)}, "payments.yaml": {Data: []byte(contract)}}, config.Options{})
		if len(faults) != 1 || faults[0].Code != gateway.CodeContract || faults[0].Place.Line != 3 {
			t.Errorf("%s: %v", wrong, faults)
		}
	}
}
