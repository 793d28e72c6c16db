package edit

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// valueOf returns a tree as a value that can be written.
func valueOf(n *yaml.Node) canonical.Value {
	switch n.Kind {
	case yaml.MappingNode:
		out := canonical.Value{Shape: canonical.Mapping}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out.Parts = append(out.Parts, canonical.Part{Name: n.Content[i].Value, Value: valueOf(n.Content[i+1])})
		}
		return out
	case yaml.SequenceNode:
		out := canonical.Value{Shape: canonical.List}
		for _, item := range n.Content {
			out.Parts = append(out.Parts, canonical.Part{Value: valueOf(item)})
		}
		return out
	case yaml.AliasNode:
		return canonical.Value{Shape: canonical.Plain, Text: "*" + n.Value}
	}
	if n.Tag == "!!str" {
		return canonical.Value{Text: n.Value}
	}
	if n.Value == "" {
		return canonical.Value{Shape: canonical.Plain, Text: "null"}
	}
	return canonical.Value{Shape: canonical.Plain, Text: n.Value}
}

// flow writes a value on one line.
func flow(n *yaml.Node) string { return canonical.Line(valueOf(n)) }

// key writes the name of a field.
func key(n *yaml.Node) string { return canonical.Line(canonical.Value{Text: n.Value}) }

// behindColon writes a value as it stands behind the colon of a field, up to the end of its last line: below, unless it was given
// on one line.
func behindColon(n *yaml.Node, indent int) string {
	if n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle != 0 {
		return " " + flow(n) + "\n"
	}
	return canonical.Below(valueOf(n), indent)
}

// inside writes what a mapping or list holds, each on lines of its own; the first begins where it is put, and no line break is at
// the end.
func inside(n *yaml.Node, indent int) string {
	return strings.TrimSuffix(canonical.Inside(valueOf(n), indent), "\n")
}

// literal writes text of lines in place of a scalar.
func literal(n *yaml.Node, indent int) string {
	return strings.TrimSuffix(strings.TrimPrefix(canonical.Below(valueOf(n), indent), " "), "\n")
}
