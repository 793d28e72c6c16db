package canonical_test

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// texts draws text that YAML readers like to misunderstand, and any other.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"", " ", "yes", "No", "on", "true", "null", "~", "0x1F", "1_000", "010", "1e3", ".5", ".inf", "-", "- a", "a: b", "a #b", "#a", "&a", "*a", "!a", "%a",
			"@a", "`a", "a,b", "[a", "{a", "a]", "12:30", "2001-01-01", "<<", "=", "a\nb", "a\nb\n", "a\n\nb\n\n", "\n", "\na", " a\nb", "a\n b\n", "a\tb", "\ta\nb", "a\n \n",
			"a\r\nb", "\u0085", "\u2028", "\ufeff", "\u200b", "é", "日本", "😀", "a'b", `a"b`, `a\b`, "a ", "a: ", "a :b", "---", "...", "--- a\nb", strings.Repeat("x", 1200),
		}),
		rapid.StringN(0, 12, -1),
		rapid.StringOf(rapid.SampledFrom([]rune("ab:# \n\t-'\"{}[],&*!|>%@?0.\\"))),
	)
}

func values(depth int) *rapid.Generator[canonical.Value] {
	return rapid.Custom(func(t *rapid.T) canonical.Value {
		shape := canonical.Text
		if depth > 0 {
			shape = rapid.SampledFrom([]canonical.Shape{canonical.Text, canonical.Lines, canonical.List, canonical.Mapping}).Draw(t, "shape")
		}
		v := canonical.Value{Shape: shape}
		switch shape {
		case canonical.List:
			for _, item := range rapid.SliceOfN(values(depth-1), 0, 4).Draw(t, "items") {
				v.Parts = append(v.Parts, canonical.Part{Value: item})
			}
		case canonical.Mapping:
			for _, name := range rapid.SliceOfNDistinct(texts(), 0, 4, func(s string) string { return s }).Draw(t, "names") {
				v.Parts = append(v.Parts, canonical.Part{Name: name, Value: values(depth-1).Draw(t, "field")})
			}
		default:
			v.Text = texts().Draw(t, "text")
		}
		return v
	})
}

// holds reports whether YAML was read as a value: texts as texts, in the order in which they were written.
func holds(n *yaml.Node, v canonical.Value) bool {
	switch v.Shape {
	case canonical.Mapping:
		for i, p := range v.Parts {
			if 2*i+1 >= len(n.Content) || n.Content[2*i].Value != p.Name || n.Content[2*i].Tag != "!!str" || !holds(n.Content[2*i+1], p.Value) {
				return false
			}
		}
		return n.Kind == yaml.MappingNode && len(n.Content) == 2*len(v.Parts)
	case canonical.List:
		return n.Kind == yaml.SequenceNode && slices.EqualFunc(n.Content, v.Parts, func(n *yaml.Node, p canonical.Part) bool { return holds(n, p.Value) })
	}
	return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == v.Text
}

// TestWrittenIsRead writes values as documents and on one line: the YAML library reads both as what they were.
func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := canonical.Value{Shape: canonical.Mapping, Parts: []canonical.Part{
			{Name: "a", Value: values(3).Draw(t, "a")}, {Name: "b", Value: values(3).Draw(t, "b")},
		}}
		for _, text := range []string{string(canonical.Write(v)), canonical.Line(v)} {
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(text), &n); err != nil || len(n.Content) != 1 || !holds(n.Content[0], v) {
				t.Fatalf("it is read as something else (%v):\n%s", err, text)
			}
		}
		if strings.Contains(canonical.Line(v), "\n") {
			t.Fatalf("these are many lines: %s", canonical.Line(v))
		}
	})
}
