package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// field is the path of a value inside its document, "operations[2].path".
type field struct {
	up    *field
	name  string
	index int // Where name is empty.
}

func (f *field) child(name string) *field { return &field{up: f, name: name} }
func (f *field) item(i int) *field        { return &field{up: f, index: i} }

// String returns the path as faults spell it.
func (f *field) String() string {
	if f == nil {
		return ""
	}
	if f.name == "" {
		return f.up.String() + "[" + strconv.Itoa(f.index) + "]"
	}
	return join(f.up.String(), f.name)
}

// join adds a name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// spot is where a value stands, and the spots of what it holds: a small copy of a document's tree, so that the tree itself
// can go.
type spot struct {
	name         string // Key in the mapping; empty for an item of a list.
	line, column int32
	inside       []spot
}

// spotsOf copies the places of a document. A list or mapping stands where its key stands, anything else where it begins.
// Anchored values are copied once, however many aliases name them.
func spotsOf(root *yaml.Node) *spot {
	first := beginning(root)
	s := &spot{line: int32(first.Line), column: int32(first.Column)}
	s.inside = insideOf(root, map[*yaml.Node][]spot{})
	return s
}

func insideOf(n *yaml.Node, shared map[*yaml.Node][]spot) []spot {
	if n.Kind == yaml.AliasNode {
		if n.Alias == nil {
			return nil
		}
		if done, ok := shared[n.Alias]; ok {
			return done
		}
		shared[n.Alias] = nil // An alias inside its own anchor ends here.
		shared[n.Alias] = insideOf(n.Alias, shared)
		return shared[n.Alias]
	}
	var inside []spot
	switch n.Kind {
	case yaml.MappingNode:
		inside = make([]spot, 0, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := key
			if value.Kind == yaml.ScalarNode && value.Line > 0 {
				at = value
			}
			inside = append(inside, spot{
				name: key.Value, line: int32(at.Line), column: int32(at.Column), inside: insideOf(value, shared),
			})
		}
	case yaml.SequenceNode:
		inside = make([]spot, 0, len(n.Content))
		for _, item := range n.Content {
			inside = append(inside, spot{line: int32(item.Line), column: int32(item.Column), inside: insideOf(item, shared)})
		}
	}
	return inside
}

// find returns line and column of a field, or of the nearest field around it that is written out.
func (s *spot) find(path string) (line, column int) {
	for path != "" {
		next, rest := s.step(path)
		if next == nil {
			break
		}
		s, path = next, rest
	}
	return int(s.line), int(s.column)
}

// step finds the spot that the beginning of a path names. Keys may hold dots, so the longest key that fits is taken.
func (s *spot) step(path string) (next *spot, rest string) {
	if inner, ok := strings.CutPrefix(path, "["); ok {
		digits, rest, _ := strings.Cut(inner, "]")
		i, err := strconv.Atoi(digits)
		switch {
		case err == nil && i >= 0 && i < len(s.inside) && s.inside[i].name == "":
			return &s.inside[i], strings.TrimPrefix(rest, ".")
		case err == nil && i == 0: // A list of one, written without its brackets.
			return s, strings.TrimPrefix(rest, ".")
		}
		return nil, ""
	}
	for i := range s.inside {
		candidate := &s.inside[i]
		after, ok := strings.CutPrefix(path, candidate.name)
		if !ok || candidate.name == "" || (next != nil && len(candidate.name) < len(next.name)) {
			continue
		}
		if after == "" || after[0] == '.' || after[0] == '[' {
			next, rest = candidate, strings.TrimPrefix(after, ".")
		}
	}
	return next, rest
}
