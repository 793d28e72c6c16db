package main

import (
	"testing"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestRouteDocument checks that what "route add" writes is a document that loads, however odd the words are.
func TestRouteDocument(t *testing.T) {
	t.Parallel()
	o := routeAdd{
		name: "shop", hosts: []string{"shop.test", "*.shop.test"}, path: "/{id}/**", methods: []string{"GET", "POST"},
		to: []string{"blue=90", "green=10"}, authenticate: []string{"bank", "other"}, authorize: []string{"shop.read"}, team: "shop",
	}
	got, err := o.document("edge")
	if err != nil {
		t.Fatal(err)
	}
	want := `kind: Route
name: shop
team: shop
expose: {gateway: edge, hosts: [shop.test, '*.shop.test']}
match: {methods: [GET, POST], path: '/{id}/**'}
authenticate: {any: [{jwt: bank}, {jwt: other}]}
authorize: [shop.read]
to: [{upstream: blue, weight: 90}, {upstream: green, weight: 10}]
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	docs, faults := config.LoadFiles(map[string][]byte{"a.yaml": []byte("schema: 1\n" + got)}, "", config.Options{})
	if len(faults) > 0 || len(docs.APIs) != 1 {
		t.Errorf("loaded: %v", faults)
	}
}

// TestWordsOfTheCommandLineStayWords tries to write more into a document than a value.
func TestWordsOfTheCommandLineStayWords(t *testing.T) {
	t.Parallel()
	o := routeAdd{name: "a\nauthenticate: none", to: []string{"x, weight: 1}]\nauthorize: ["}, authenticate: []string{"none: "}, path: "/a: {b"}
	text, err := o.document("edge}\nkind: Gateway")
	if err != nil {
		t.Fatal(err)
	}
	found, err := readDocuments([]byte(text))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	d := found[0]
	if d.ref != (gateway.Ref{Kind: gateway.KindRoute, Name: o.name}) || textOf(d.fields["to"]) != o.to[0] || len(d.fields) != 6 {
		t.Errorf("read as %+v", d.fields)
	}
}

// TestFindDocument finds objects by the words of a person.
func TestFindDocument(t *testing.T) {
	t.Parallel()
	all := []document{
		{ref: gateway.Ref{Kind: gateway.KindAPI, Name: "pay", Version: "v1"}},
		{ref: gateway.Ref{Kind: gateway.KindAPI, Name: "pay", Version: "v2"}},
		{ref: gateway.Ref{Kind: gateway.KindAPI, Name: "loans", Version: "v1"}},
		{ref: gateway.Ref{Kind: gateway.KindRoute, Name: "loans"}},
	}
	for word, want := range map[string]string{
		"pay/v2":   "API pay/v2",
		"loans":    "API loans/v1",
		"loans/v2": `there is no API "loans/v2" in what is live`,
		"pay":      "there are several versions: name one of pay/v1, pay/v2",
	} {
		got, err := findDocument(all, gateway.KindAPI, word)
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			said = got.ref.String()
		}
		if said != want {
			t.Errorf("%s: got %q, want %q", word, said, want)
		}
	}
}
