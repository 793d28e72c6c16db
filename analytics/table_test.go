package analytics_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

func compile(t *testing.T, prev *analytics.Table, routes ...*gateway.Route) *analytics.Table {
	t.Helper()
	table, faults := analytics.Compile(&gateway.Revision{Routes: routes}, prev)
	if len(faults) > 0 {
		t.Fatalf("compile: %v", faults)
	}
	return table
}

// countedAs returns the labels under which a service with a table counts an entry.
func countedAs(t *testing.T, table *analytics.Table, api, version, operation, rules string) []string {
	t.Helper()
	s := newService(t, analytics.Options{})
	s.Use(table)
	e := entry(operation, rules, 200, time.Millisecond)
	name := api + "/" + version + "/" + operation
	switch api {
	case "":
		name = "not-found"
	case "-":
		name = "route/" + operation
	}
	e.CommonProperties.RouteName = envoy.RouteName(name, rules)
	s.Feed("edge", "edge-1", batch(e))
	k := total(t, s, analytics.Query{By: []analytics.Dimension{
		analytics.ByAPI, analytics.ByVersion, analytics.ByOperation, analytics.ByRules,
	}}).Key
	c := s.Requests()[0]
	if c.API != k.API || c.Version != k.Version || c.Operation != k.Operation {
		t.Errorf("counter %+v and rollup %+v have different names", c, k)
	}
	return []string{k.API, k.Version, k.Operation, k.Rules}
}

// TestNames sees which names are counted as what they say.
func TestNames(t *testing.T) {
	t.Parallel()
	website := &gateway.Route{API: "-", Operation: "website", Rules: "w1"}
	table := compile(t, nil, route("get", "r1"), website)
	cases := map[string]struct{ entry, want []string }{
		"known":             {[]string{"payments", "v1", "get", "r1"}, []string{"payments", "v1", "get", "r1"}},
		"unknown rules":     {[]string{"payments", "v1", "get", "r9"}, []string{"payments", "v1", "get", "other"}},
		"no rules":          {[]string{"payments", "v1", "get", ""}, []string{"payments", "v1", "get", "none"}},
		"unknown operation": {[]string{"payments", "v1", "drop", "r1"}, []string{"payments", "v1", "other", "r1"}},
		"unknown version":   {[]string{"payments", "v9", "get", "r1"}, []string{"payments", "other", "other", "r1"}},
		"unknown API":       {[]string{"loans", "v1", "get", "r1"}, []string{"other", "other", "other", "r1"}},
		"no identity":       {[]string{"", "", "", ""}, []string{"none", "none", "none", "none"}},
		"Route document":    {[]string{"-", "", "website", "w1"}, []string{"-", "", "website", "w1"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := countedAs(t, table, c.entry[0], c.entry[1], c.entry[2], c.entry[3])
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNamesAreRemembered sees that a name lives for 50 tables, and that a table without news is not made.
func TestNamesAreRemembered(t *testing.T) {
	t.Parallel()
	table := compile(t, nil, route("old", "r0"), route("stays", "s"))
	if again := compile(t, table, route("stays", "s"), route("old", "r0")); again != table {
		t.Error("the same names made another table")
	}
	for i := 2; i <= 50; i++ {
		table = compile(t, table, route("new", fmt.Sprintf("n%d", i)), route("stays", "s"))
	}
	want := []string{"payments", "v1", "old", "r0"}
	if diff := cmp.Diff(want, countedAs(t, table, "payments", "v1", "old", "r0")); diff != "" {
		t.Errorf("in the 50th table (-want +got):\n%s", diff)
	}
	table = compile(t, table, route("stays", "s"))
	want = []string{"payments", "v1", "other", "other"}
	if diff := cmp.Diff(want, countedAs(t, table, "payments", "v1", "old", "r0")); diff != "" {
		t.Errorf("in the 51st table (-want +got):\n%s", diff)
	}
	want = []string{"payments", "v1", "stays", "s"}
	if diff := cmp.Diff(want, countedAs(t, table, "payments", "v1", "stays", "s")); diff != "" {
		t.Errorf("what stayed (-want +got):\n%s", diff)
	}
}

// TestCompileOfNothing sees that neither a revision nor a table before is needed.
func TestCompileOfNothing(t *testing.T) {
	t.Parallel()
	table, faults := analytics.Compile(nil, nil)
	if len(faults) > 0 {
		t.Fatalf("compile: %v", faults)
	}
	want := []string{"other", "other", "other", "other"}
	if diff := cmp.Diff(want, countedAs(t, table, "payments", "v1", "get", "r1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, countedAs(t, nil, "payments", "v1", "get", "r1")); diff != "" {
		t.Errorf("without a table (-want +got):\n%s", diff)
	}
}
