package gateway_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

func TestProblem(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(gateway.NewProblem(404, gateway.ProblemNotFound, "nothing here").JSON(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:gatehouse:problem:not-found", "title": "not found", "status": 404.0, "detail": "nothing here", "code": "not-found",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problem document (-want +got):\n%s", diff)
	}
}

// TestProblemsAreExplained holds the codes in problem.go against the table in docs/errors.md.
func TestProblemsAreExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Problem") || v.Names[0].Name == "ProblemType" {
			return true
		}
		code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
		return true
	})
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		explained = append(explained, row[1])
	}
	slices.Sort(codes)
	slices.Sort(explained)
	if diff := cmp.Diff(codes, explained); diff != "" {
		t.Errorf("codes, and rows of docs/errors.md (-code +row):\n%s", diff)
	}
}
