package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

// constants returns the values of all constants of type Code, in order of the source.
func constants(t *testing.T) []gateway.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var codes []gateway.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, gateway.Code(text))
		return true
	})
	return codes
}

func TestEveryCodeIsExplainedOnce(t *testing.T) {
	want := constants(t)
	if len(want) < 30 {
		t.Fatalf("only %d constants found", len(want))
	}
	if diff := cmp.Diff(want, gateway.Codes()); diff != "" {
		t.Errorf("constants (-) and sections (+) differ:\n%s", diff)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(want))); len(unique) != len(want) {
		t.Errorf("%d constants have %d values", len(want), len(unique))
	}
}

func TestExplain(t *testing.T) {
	for _, code := range gateway.Codes() {
		text, ok := gateway.Explain(code)
		if !ok {
			t.Fatalf("%s is not explained", code)
		}
		title, body, _ := strings.Cut(text, "\n")
		if !strings.HasPrefix(title, string(code)+" ") || len(title) < 12 {
			t.Errorf("%s: title %q", code, title)
		}
		// A meaning, an example set off by four blanks, and what to do.
		paragraphs := strings.Split(strings.TrimSpace(body), "\n\n")
		if len(paragraphs) < 3 || !strings.HasPrefix(paragraphs[1], "    ") {
			t.Errorf("%s: want a meaning, an example and a remedy, got %d paragraphs", code, len(paragraphs))
		}
	}
	if text, ok := gateway.Explain("gh201"); !ok || !strings.HasPrefix(text, "GH201 ") {
		t.Errorf("lower case: %q, %t", text, ok)
	}
	if text, ok := gateway.Explain("GH999"); ok || text != "" {
		t.Errorf("GH999 is explained: %q", text)
	}
}
