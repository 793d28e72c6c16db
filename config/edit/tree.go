package edit

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// set returns a tree with a value at the end of a path. What does not change is shared with the tree before, which stays as
// it is. n is nil where there is nothing yet.
func set(n *yaml.Node, path []Step, value *yaml.Node) (*yaml.Node, error) {
	if len(path) == 0 {
		return value, nil
	}
	if n != nil && n.Kind == yaml.AliasNode {
		return nil, ErrAlias
	}
	if path[0].Name != "" {
		return setField(n, path, value)
	}
	return setItem(n, path, value)
}

func setField(n *yaml.Node, path []Step, value *yaml.Node) (*yaml.Node, error) {
	s := path[0]
	out, err := asMapping(n, s)
	if err != nil {
		return nil, err
	}
	at := fieldOf(out, s.Name)
	if at >= 0 {
		out.Content[at+1], err = set(out.Content[at+1], path[1:], value)
		return out, err
	}
	if merging(out) {
		return nil, ErrAlias
	}
	inner, err := set(nil, path[1:], value)
	if err != nil {
		return nil, err
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.Name}
	out.Content = slices.Insert(out.Content, place(out, s), key, inner)
	return out, nil
}

// place returns where a new field goes: behind the last of those that come before it, else at the end.
func place(n *yaml.Node, s Step) int {
	rank := slices.Index(s.Order, s.Name)
	if rank <= 0 {
		return len(n.Content) * -min(rank, 0)
	}
	at := len(n.Content)
	for i := 0; i < len(n.Content); i += 2 {
		if other := slices.Index(s.Order, n.Content[i].Value); other >= 0 && other < rank {
			at = i + 2
		}
	}
	return at
}

func setItem(n *yaml.Node, path []Step, value *yaml.Node) (*yaml.Node, error) {
	s := path[0]
	out, err := asList(n, s)
	if err != nil {
		return nil, err
	}
	if at := itemOf(out, s); at >= 0 {
		out.Content[at], err = set(out.Content[at], path[1:], value)
		return out, err
	}
	var item *yaml.Node
	switch {
	case s.By != "":
		item, err = set(nil, []Step{{Name: s.By}}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.Key})
	case s.Key != strconv.Itoa(len(out.Content)):
		err = ErrNoValue
	}
	if err == nil {
		item, err = set(item, path[1:], value)
	}
	if err != nil {
		return nil, err
	}
	out.Content = append(out.Content, item)
	return out, nil
}

// remove returns a tree without the value at the end of a path.
func remove(n *yaml.Node, path []Step) (*yaml.Node, error) {
	if n == nil || len(path) == 0 {
		return nil, ErrNoValue
	}
	if n.Kind == yaml.AliasNode {
		return nil, ErrAlias
	}
	s := path[0]
	out, at, width, err := reach(n, s)
	if err != nil {
		return nil, err
	}
	if len(path) == 1 {
		out.Content = slices.Delete(out.Content, at, at+width)
		return out, nil
	}
	last := at + width - 1
	out.Content[last], err = remove(out.Content[last], path[1:])
	return out, err
}

// reach returns a copy of a mapping or list, and where in it stands what a step leads to.
func reach(n *yaml.Node, s Step) (out *yaml.Node, at, width int, err error) {
	if s.Name != "" {
		if out, err = asMapping(n, s); err == nil {
			at, width = fieldOf(out, s.Name), 2
		}
	} else if out, err = asList(n, s); err == nil {
		at, width = itemOf(out, s), 1
	}
	if err == nil && at < 0 {
		err = ErrNoValue
	}
	return out, at, width, err
}

// asMapping returns a copy of a mapping, a new one for nothing, and one of a single field for what stands for that.
func asMapping(n *yaml.Node, s Step) (*yaml.Node, error) {
	switch {
	case n == nil:
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, nil
	case n.Kind == yaml.MappingNode:
		return shallow(n), nil
	case n.Kind == yaml.ScalarNode && s.Short != "":
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.Short}
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Content: []*yaml.Node{key, n}}, nil
	}
	return nil, ErrShape
}

// asList does for lists what asMapping does for mappings.
func asList(n *yaml.Node, s Step) (*yaml.Node, error) {
	switch {
	case n == nil:
		return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}, nil
	case n.Kind == yaml.SequenceNode:
		return shallow(n), nil
	case s.Single:
		return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: []*yaml.Node{n}}, nil
	}
	return nil, ErrShape
}

// fieldOf returns the position of a key of a mapping, -1 where it has none.
func fieldOf(n *yaml.Node, name string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// itemOf returns the position of the item of a list that a step names, -1 where there is none.
func itemOf(n *yaml.Node, s Step) int {
	for i, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		switch item.Kind {
		case yaml.ScalarNode: // It may stand for a mapping of its one field.
			if item.Value == s.Key {
				return i
			}
		case yaml.MappingNode:
			if at := fieldOf(item, s.By); at >= 0 && item.Content[at+1].Value == s.Key {
				return i
			}
		}
	}
	if i, err := strconv.Atoi(s.Key); err == nil && s.By == "" && i >= 0 && i < len(n.Content) {
		return i
	}
	return -1
}

// shallow returns a copy that shares what it holds.
func shallow(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = slices.Clone(n.Content)
	return &out
}

// deep returns a copy that shares nothing. Aliases lead to the copies of what they led to.
func deep(n *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	if done := copies[n]; done != nil {
		return done
	}
	out := *n
	copies[n] = &out
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, inner := range n.Content {
		out.Content[i] = deep(inner, copies)
	}
	out.Alias = deep(n.Alias, copies)
	return &out
}

func merging(n *yaml.Node) bool {
	return slices.ContainsFunc(n.Content, func(inner *yaml.Node) bool { return inner.Tag == "!!merge" })
}

func holdsAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, holdsAlias)
}

// same reports whether two trees say the same. The order of keys makes no difference.
func same(a, b *yaml.Node) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind != yaml.MappingNode {
		return slices.EqualFunc(a.Content, b.Content, same)
	}
	for i := 0; i+1 < len(a.Content); i += 2 {
		at := i
		if !same(a.Content[i], b.Content[i]) {
			at = fieldOf(b, a.Content[i].Value)
		}
		if at < 0 || !same(a.Content[i], b.Content[at]) || !same(a.Content[i+1], b.Content[at+1]) {
			return false
		}
	}
	return true
}
