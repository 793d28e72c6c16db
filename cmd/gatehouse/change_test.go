package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// seated returns surroundings in which a person sits at a terminal, or nobody does, and what they see.
func seated(terminal bool, typed string, variables map[string]string) (surroundings, *bytes.Buffer) {
	seen := &bytes.Buffer{}
	return surroundings{
		stdin: strings.NewReader(typed), stdout: seen, stderr: seen, failures: seen,
		terminal: func(any) bool { return terminal },
		lookup: func(name string) (string, bool) {
			value, ok := variables[name]
			return value, ok
		},
	}, seen
}

// TestApplyAsksAPerson checks that only "yes" applies, and that nobody is asked who cannot answer.
func TestApplyAsksAPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terminal, yes bool
		typed         string
		goesOn, asks  bool
	}{
		{terminal: true, typed: "yes\n", goesOn: true, asks: true},
		{terminal: true, typed: "no\n", asks: true},
		{terminal: true, typed: "y\n", asks: true},
		{terminal: true, typed: "", asks: true},
		{terminal: true, yes: true, goesOn: true},
		{terminal: false, goesOn: true},
	} {
		env, seen := seated(c.terminal, c.typed, nil)
		o := applyOptions{changeOptions: changeOptions{env: env}, yes: c.yes}
		err := o.ask()
		if (err == nil) != c.goesOn || strings.Contains(seen.String(), "Apply this?") != c.asks {
			t.Errorf("%+v: %v, seen %q", c, err, seen)
		}
	}
}

// TestColoursOnATerminalOnly checks who sees colours.
func TestColoursOnATerminalOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terminal  bool
		variables map[string]string
		want      string
	}{
		{terminal: true, want: "\x1b[31mx\x1b[0m"},
		{terminal: true, variables: map[string]string{"NO_COLOR": ""}, want: "\x1b[31mx\x1b[0m"},
		{terminal: true, variables: map[string]string{"NO_COLOR": "1"}, want: "x"},
		{terminal: true, variables: map[string]string{"TERM": "dumb"}, want: "x"},
		{terminal: false, want: "x"},
	} {
		env, _ := seated(c.terminal, "", c.variables)
		if got := env.paintFor(io.Discard).kind(gateway.Deleted, "x"); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestOthersWordsDoNotMoveTheCursor checks what a message of the history can do to the terminal of its reader.
func TestOthersWordsDoNotMoveTheCursor(t *testing.T) {
	t.Parallel()
	got := entryMessage(&admin.Entry{Message: "good \x1b[2Jmorning\r\u202e größe"})
	if got != "good \ufffd[2Jmorning \ufffd größe" {
		t.Errorf("got %q", got)
	}
}

// TestPlanForPeople pins how a plan is printed.
func TestPlanForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := planPrinter{w: &out, project: &projectDir{dir: "docs", source: "shop"}}
	p.plan(&admin.Plan{
		Source: "shop",
		Changes: []gateway.Change{
			{Kind: gateway.Deleted, Object: gateway.Ref{Kind: gateway.KindRoute, Name: "old"}, Source: "shop", Place: gateway.Place{Source: "shop", File: "old.yaml", Line: 3}, Fields: []gateway.FieldChange{
				{Kind: gateway.Deleted, Field: "match.path", Before: "/old"},
			}},
			{Kind: gateway.Changed, Object: gateway.Ref{Kind: gateway.KindAPI, Name: "pay", Version: "v1"}, Source: "other", Place: gateway.Place{Source: "other", File: "api.yaml", Line: 1}, Fields: []gateway.FieldChange{
				{Kind: gateway.Changed, Field: "to[blue].weight", Before: "100", After: "90", Place: gateway.Place{Source: "other", File: "api.yaml", Line: 9, Column: 3}},
				{Kind: gateway.Deleted, Field: "team", Before: "pay"},
			}},
			{Kind: gateway.Added, Object: gateway.Ref{Kind: gateway.KindUpstream, Name: "new"}, Source: "shop", Place: gateway.Place{Source: "shop", File: "new.yaml", Line: 2}, Fields: []gateway.FieldChange{
				{Kind: gateway.Added, Field: "description", After: strings.Repeat("ö", 300)},
				{Kind: gateway.Added, Field: "rego", After: `"package shop\n\nallow := true\n"`},
			}},
		},
		Kept:   []gateway.Ref{{Kind: gateway.KindRoute, Name: "legacy"}},
		Fleets: []admin.FleetChange{{Fleet: "edge", Nodes: 2, Bytes: 2048, Resources: []admin.ResourceChange{{Kind: gateway.Changed, Type: "VirtualHost", Name: "shop.test", Bytes: 2048}, {Kind: gateway.Deleted, Type: "Cluster", Name: "old"}}}},
		Routes: []admin.RouteChange{{Route: "route/shop", After: []gateway.Hop{{Service: "authorization", Why: "policy shop.read"}}}},
		Series: -4,
		Tests: []admin.PolicyTest{
			{Policy: "shop.read", Name: "test_ok", Passed: true},
			{Policy: "shop.read", Name: "test_no", Place: gateway.Place{Source: "shop", File: "read_test.rego", Line: 7}, Output: "one\ntwo\n"},
		},
		Warnings: []gateway.Fault{{Code: "GH301", Place: gateway.Place{Source: "shop", File: "new.yaml", Line: 2}, Message: "nobody uses it"}},
		Held:     "it removes 12 of 13 routes",
	})
	want := `deleted Route old  (docs/old.yaml:3)
  - match.path: /old

changed API pay/v1  (other:api.yaml:1)
  - to[blue].weight: 100
  + to[blue].weight: 90  (other:api.yaml:9:3)
  - team: pay

added Upstream new  (docs/new.yaml:2)
  + description: ` + strings.Repeat("ö", 200) + `... (600 bytes)
  + rego:
  +   package shop
  +
  +   allow := true

kept, though no file has them any more (--prune deletes them):
  Route legacy

fleet edge, 2 nodes: 2 resources, 2.0K to each
  changed VirtualHost shop.test  (2.0K)
  deleted Cluster old

calls to Gatehouse that a request waits for:
  route/shop: authorization (policy shop.read), before none

time series of metrics: -4

tests of policies: 1 passed, 1 failed
  failed test_no of policy shop.read  (docs/read_test.rego:7)
    one
    two

warnings:
  docs/new.yaml:2: GH301: nobody uses it

it would be held until somebody confirms it: it removes 12 of 13 routes
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
