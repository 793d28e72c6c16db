package descriptors

import (
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// follow returns what an alias stands for, and counts. It returns nil once the file holds too much.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	if d.nodes++; d.nodes > maxNodes {
		if !d.large {
			d.large = true
			d.fault(gateway.CodeTooLarge, n, "more than %d keys and values, those of aliases counted each time: split the file", maxNodes)
		}
		return nil
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" {
		d.fault(gateway.CodeWrongType, n, "the tag %s is not read: leave it out", quote(n.Tag))
	}
	return n
}

// pairs calls use for the keys and values of a mapping, those of merge keys in their place. Of what is written twice the last
// counts, as in envoyproxy/ratelimit. use returns false for a key that has no effect there.
func (d *decoder) pairs(n *yaml.Node, depth int, use func(key, value *yaml.Node) bool) {
	seen := map[string]bool{}
	if depth > maxDepth { // Only an alias within itself, or a chain of them.
		d.fault(gateway.CodeTooLarge, n, "more than %d levels of nesting, aliases unfolded: write it flatter", maxDepth)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := d.follow(n.Content[i]), d.follow(n.Content[i+1])
		if key == nil || value == nil {
			return
		}
		switch k := kindOf(key); {
		case isMerge(n.Content[i]):
			d.merge(n.Content[i+1], depth+1, use) // What it brings is written over without a word, that is what it is for.
			continue
		case k != kindText:
			d.fault(gateway.CodeWrongType, key, "a key is text, this is %s: write it in quotes, or leave it out", k)
			continue
		case !slices.Contains(keys(), key.Value):
			d.unknown(key)
			continue
		}
		d.number(value)
		switch {
		case !use(key, value):
			d.unused(key, value, depth)
		case seen[key.Value]:
			d.note(key, "%s is written twice: the last one counts", key.Value)
		}
		seen[key.Value] = true
	}
}

// number reports a number that no value may be.
func (d *decoder) number(value *yaml.Node) {
	if kindOf(value) == kindOther {
		d.fault(gateway.CodeWrongType, value, "this is %s: write it in quotes where text is meant", kindOther)
	}
}

// unused tells of a key without effect. What stands below it must make sense nonetheless.
func (d *decoder) unused(key, value *yaml.Node, depth int) {
	d.note(key, "%s has no effect here: it belongs %s", key.Value, home(key.Value))
	d.lost(value, depth+1)
}

// lost walks over what has no effect.
func (d *decoder) lost(n *yaml.Node, depth int) {
	ignore := func(_, value *yaml.Node) bool {
		d.lost(value, depth+1)
		return true
	}
	switch kindOf(n) {
	case kindMapping:
		d.pairs(n, depth, ignore)
	case kindList:
		d.items(n, depth, func(item *yaml.Node) { d.pairs(item, depth+1, ignore) })
	}
}

// home says where a key belongs.
func home(key string) string {
	switch key {
	case "domain":
		return "to the top of the file"
	case "unit", "requests_per_unit", "unlimited", "replaces", "name":
		return "below rate_limit"
	}
	return "to a descriptor, beside its key"
}

func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0
}

// merge uses the keys and values of a merge key (<<, YAML 1.1): of a mapping, or of several, of which earlier ones count more.
func (d *decoder) merge(n *yaml.Node, depth int, use func(key, value *yaml.Node) bool) {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = slices.Clone(n.Content)
		slices.Reverse(list)
	}
	for _, item := range list {
		target := d.follow(item)
		if target == nil {
			return
		}
		if target.Kind != yaml.MappingNode {
			d.fault(gateway.CodeWrongType, item, "a merge key takes a mapping, or a list of mappings")
			return
		}
		d.pairs(target, depth, use)
	}
}
