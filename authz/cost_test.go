package authz

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestCost holds what requests spend: 1 where no policy says more, the later word over the earlier.
func TestCost(t *testing.T) {
	read := func(answer string) *decision {
		d, err := readDecision(ast.MustParseTerm(answer).Value)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, test := range []struct {
		under, over string
		want        uint64
	}{
		{`true`, `true`, 1},
		{`{"allowed": true, "headers": {"a": "b"}}`, `true`, 1},
		{`{"allowed": true, "cost": 3}`, `true`, 3},
		{`{"allowed": true, "cost": 2.1}`, `true`, 3},
		{`{"allowed": true, "cost": 3}`, `{"allowed": true, "headers": {"a": "b"}}`, 3},
		{`{"allowed": true, "cost": 3}`, `{"allowed": true, "cost": 0}`, 0},
	} {
		if got := read(test.under).and(read(test.over)).hits(); got != test.want {
			t.Errorf("%s and %s cost %v, want %v", test.under, test.over, got, test.want)
		}
	}
	for _, answer := range []string{`{"allowed": true, "cost": "3"}`, `{"allowed": true, "cost": -1}`, `{"allowed": true, "cost": 1e99}`} {
		if _, err := readDecision(ast.MustParseTerm(answer).Value); err == nil {
			t.Errorf("%s is taken", answer)
		}
	}
}

// FuzzGuards holds that no guard panics, and that what weighs too much is told by all ways of writing it.
func FuzzGuards(f *testing.F) {
	f.Add("%d%[1]*[2]d", `[1, "x", {"a": [2]}]`)
	f.Add("%999999999999999999999d", `[1e400]`)
	f.Fuzz(func(t *testing.T, text, value string) {
		term, err := ast.ParseTerm(value)
		if err != nil {
			term = ast.StringTerm(value)
		}
		for name, guard := range guards() {
			decl := ast.BuiltinMap[name].Decl
			operands := []*ast.Term{ast.StringTerm(text)}
			for len(operands) < decl.Arity() {
				operands = append(operands, term)
			}
			_ = guard(operands)
			operands[0] = term
			_ = guard(operands)
		}
		_ = longNumber(text)
	})
}
