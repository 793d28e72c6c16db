package authz_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// importing is a route whose policy uses a module and data of another.
func importing(t *testing.T, source string, imported ...*gateway.Policy) *gateway.Route {
	t.Helper()
	route := publicRoute("r", source)
	docs := &gateway.Documents{Policies: imported}
	p := route.Authorize[0].Policy
	for _, i := range imported {
		p.Imports = append(p.Imports, i.Name)
	}
	docs.Policies = append(docs.Policies, p)
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, whole := range rev.Policies {
		if whole.Name == p.Name {
			route.Authorize[0].Policy = whole
		}
	}
	return route
}

func TestImports(t *testing.T) {
	roles := &gateway.Policy{
		Name: "lib.roles", Source: "package lib.roles\nallow := false\nhas(role) if role in data.roles[input.attributes.request.http.headers.user]",
		DataFiles: []gateway.DataFile{{At: "roles", Sum: "1", JSON: []byte(`{"alice": ["teller"]}`)}},
	}
	route := importing(t, "package a\nimport data.lib.roles\nallow if { roles.has(data.needed.role) }", roles)
	route.Authorize[0].Policy.Data = map[string]any{"needed": map[string]any{"role": "teller"}}
	service := newService(patient)
	service.Use(compiled(t, revision(route), nil))
	for user, want := range map[string]int{"alice": 200, "bob": 403} {
		check := envoyCheck(t, "r", "GET", "/", nil)
		check.Attributes.Request.Http.Headers["user"] = user
		if status, body := ask(t, service, check); status != want {
			t.Errorf("%s: got %d %s, want %d", user, status, body, want)
		}
	}
}

func TestImportsFail(t *testing.T) {
	for name, test := range map[string]struct {
		source string
		other  *gateway.Policy
		want   string
	}{
		"broken module": {"package a\nallow if data.b.x", &gateway.Policy{Name: "b", Source: "package b\nx if y == 1"}, "the Policy b, which this one imports, does not compile with it: line 2"},
		"fetching":      {"package a\nallow if data.b.x", &gateway.Policy{Name: "b", Source: "package b\nx := http.send({})"}, "which this one imports"},
		"clash of data": {"package a\nallow if data.c", &gateway.Policy{
			Name: "b", Source: "package b", Data: map[string]any{"c": 1},
			DataFiles: []gateway.DataFile{{At: "c.d", JSON: []byte("1")}},
		}, "data.c is given twice"},
		"bad file": {"package a\nallow if data.c", &gateway.Policy{Name: "b", Source: "package b", DataFiles: []gateway.DataFile{{At: "c", File: "c.json", JSON: []byte("{")}}}, "the data file c.json cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			route := importing(t, test.source, test.other)
			_, faults := authz.Compile(revision(route), nil)
			if len(faults) != 1 || !strings.Contains(faults[0].Message, test.want) || faults[0].Object.Name != "p0" {
				t.Errorf("got faults %v, want one that says %q", faults, test.want)
			}
		})
	}
}

// entriesOf is data of so many accounts, as JSON.
func entriesOf(n int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"account-%08d": {"owner": "customer-%06d", "limit": %d}`, i, i/3, i)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// TestMuchData holds that 100,000 entries of data stay below 400 MiB while they are swapped, that a change of the policy's text
// takes no second copy, and that decisions are as fast as with few entries.
func TestMuchData(t *testing.T) {
	const most = 400 << 20
	const source = "package a\nallow if data.accounts[input.attributes.request.http.headers.account].owner == \"customer-000002\""
	route := func(rules, source, sum string, entries []byte) *gateway.Route {
		r := publicRoute(rules, source)
		r.Authorize[0].Policy.DataFiles = []gateway.DataFile{{At: "accounts", Sum: sum, JSON: entries}}
		return r
	}
	many := entriesOf(100_000)
	service := newService(patient)
	before := inUse()
	table := compiled(t, revision(route("r1", source, "1", many)), nil)
	service.Use(table)
	one := inUse() - before
	table = compiled(t, revision(route("r2", source+"\n", "1", many)), table)
	service.Use(table)
	text := inUse() - before - one
	service.Use(compiled(t, revision(route("r3", source, "2", append(bytes.Clone(many), ' ')), route("few", source, "3", entriesOf(10))), table))
	swapped := inUse() - before
	t.Logf("once %d MiB, another text %d MiB more, other data %d MiB in all", one>>20, text>>20, swapped>>20)
	if swapped > most || text > 8<<20 {
		t.Errorf("the data takes too much")
	}
	per := func(rules string) time.Duration {
		check := envoyCheck(t, rules, "GET", "/", nil)
		check.Attributes.Request.Http.Headers["account"] = "account-00000007"
		result := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				if response, err := service.Check(b.Context(), check); err != nil || response.GetOkResponse() == nil {
					b.Fatal(response, err)
				}
			}
		})
		return time.Duration(result.NsPerOp())
	}
	if raced {
		return
	}
	few, lots := per("few"), per("r3")
	t.Logf("a Check takes %s with ten entries, %s with 100,000", few, lots)
	if lots > 2*few {
		t.Errorf("a Check takes %s with ten entries, %s with 100,000", few, lots)
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
