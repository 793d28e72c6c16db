package authz_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestSettledPoliciesDecide holds that what a compiled policy lets go of, and the functions it is not compiled with, are missed by none.
func TestSettledPoliciesDecide(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"with a function of its own": "package a\nf(x) := x > 1\ng(x) := true\nallow if f(1) with f as g",
		"with a builtin function":    "package a\nmine(_) := 7\nallow if count([]) == 7 with count as mine",
		"with data":                  "package a\nallow if data.x.y == 1 with data.x.y as 1",
		"with a virtual document":    "package a\nother := 1\nthird := other\nallow if third == 2 with data.a.other as 2",
		"with in a comprehension":    "package a\nhalf(x) := x / 2\nallow if [y | some x in [2]; y := half(x) with half as abs] == [2]",
		"comprehension":              "package a\nlist := [{\"k\": 1, \"v\": 2}, {\"k\": 1, \"v\": 3}]\nallow if {\n\tsome i\n\tk := list[i].k\n\t{v | some j; list[j].k == k; v := list[j].v} == {2, 3}\n}",
		"every":                      "package a\nallow if every x in [1, 2] { x < 3 }",
		"operators":                  "package a\nallow if {\n\t1 + 2 - 3 * 4 / 4 % 5 == 0\n\t{1} | {2} == {1, 2}\n\t{1} & {1} == {1}\n\tnot 1 in [2]\n\t\"k\", 1 in {\"k\": 1}\n\t1 != 2\n}",
		"spelt in another way":       "package a\nallow if json[\"unmarshal\"](\"1\") == 1",
		"walk":                       "package a\nallow if { walk({\"x\": 1}, [[\"x\"], v]); v == 1 }",
		"guarded":                    "package a\nallow if sprintf(\"%d\", [7]) == \"7\"",
		"regular expression":         "package a\nallow if regex.match(\"^a+$\", \"aaa\")",
		"template":                   "package a\nname := \"x\"\nallow if $\"is {name}\" == \"is x\"",
		"partial object":             "package a\nroles[r] contains p if some r, p in {\"teller\": \"read\"}\nallow if roles.teller == {\"read\"}",
		"print":                      "package a\nallow if { print(\"x\"); true }",
		"else":                       "package a\nallow if { false } else if { true }",
	} {
		service := newService(patient)
		service.Use(compiled(t, revision(publicRoute("r", source)), nil))
		response, err := service.Check(t.Context(), checkOf("r"))
		if err != nil || response.GetOkResponse() == nil {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
}

// TestPolicyMemory holds what a small policy takes once it is compiled: two thousand of them must not make the collector busy.
func TestPolicyMemory(t *testing.T) {
	const number = 500
	rev := &gateway.Revision{}
	for i := range number {
		rev.Policies = append(rev.Policies, &gateway.Policy{Name: fmt.Sprintf("p%d", i), Source: fmt.Sprintf(
			"package bank.p%[1]d\nallow := true if {\n\tinput.gatehouse.identity.claims.role == \"role-%[1]d\"\n} else := false\n", i)})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table, faults := authz.Compile(rev, nil)
	if len(faults) > 0 {
		t.Fatal(faults[0])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const bytes, objects = 24 << 10, 300
	gotBytes, gotObjects := int64(after.HeapAlloc-before.HeapAlloc)/number, int64(after.HeapObjects-before.HeapObjects)/number
	t.Logf("a policy takes %d bytes in %d objects, the budget is %d in %d", gotBytes, gotObjects, bytes, objects)
	if gotBytes > bytes || gotObjects > objects {
		t.Errorf("a policy takes %d bytes in %d objects, the budget is %d in %d", gotBytes, gotObjects, bytes, objects)
	}
	runtime.KeepAlive(table)
}
