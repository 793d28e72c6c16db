package authz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"pgregory.net/rapid"
)

// TestMemoryIsLikeOPAsCache does the same random things to a memory and to OPA's cache: both must answer the same.
func TestMemoryIsLikeOPAsCache(t *testing.T) {
	m := newMemory()
	rapid.Check(t, func(t *rapid.T) {
		m.forget()
		theirs := topdown.NewVirtualCache()
		depth := 1
		ref := rapid.Custom(func(t *rapid.T) ast.Ref {
			r := ast.Ref{ast.DefaultRootDocument}
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 5), 1, 3).Draw(t, "ref") {
				r = append(r, ast.StringTerm(fmt.Sprint(n)))
			}
			return r
		})
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "put", "get", "get", "push", "pop"}).Draw(t, "step") {
			case "put":
				r := ref.Draw(t, "ref")
				value := rapid.SampledFrom([]*ast.Term{nil, ast.InternedTerm(1), ast.InternedTerm(2)}).Draw(t, "value")
				if known, undefined := theirs.Get(r); undefined || (known != nil && value == nil) {
					continue // A rule that was evaluated stays defined or undefined.
				}
				mine := slices.Clone(r)
				m.Put(mine, value)
				theirs.Put(r, value)
				mine[len(mine)-1] = ast.StringTerm("changed by the caller")
			case "get":
				r := ref.Draw(t, "ref")
				mine, mineUndefined := m.Get(r)
				their, theirUndefined := theirs.Get(r)
				if mineUndefined != theirUndefined || (mine != their && !mineUndefined) {
					t.Fatalf("%v: got %v, %v; want %v, %v", r, mine, mineUndefined, their, theirUndefined)
				}
			case "push":
				depth++
				m.Push()
				theirs.Push()
			case "pop":
				if depth > 1 {
					depth--
					m.Pop()
					theirs.Pop()
				}
			}
		}
		if mine, their := refsIn(m), refsIn(theirs); mine != their {
			t.Fatalf("keys: got\n%s\nwant\n%s", mine, their)
		}
	})
}

func refsIn(c topdown.VirtualCache) string {
	var texts []string
	for _, k := range c.Keys() {
		texts = append(texts, k.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}
