package config

import "go.yaml.in/yaml/v4"

// mapping yields the keys and values of a mapping, aliases followed; nothing for anything else.
func mapping(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// lookup returns the value of a key of a mapping, nil where there is none.
func lookup(n *yaml.Node, name string) *yaml.Node {
	for key, value := range mapping(n) {
		if key.Value == name {
			return value
		}
	}
	return nil
}

// merged returns the keys and values of a mapping of a contract, with those that a merge key (<<, YAML 1.1) adds behind its
// own. What it merges must not hold itself.
func merged(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		var merges []*yaml.Node
		for key, value := range mapping(n) {
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			if key.Tag == "!!merge" {
				merges = append(merges, value)
			} else if !yield(key, value) {
				return
			}
		}
		if len(merges) == 0 {
			return
		}
		own := map[string]bool{}
		for key := range mapping(n) {
			own[key.Value] = true
		}
		for _, other := range mergedMappings(merges) {
			for key, value := range merged(other) {
				if own[key.Value] {
					continue
				}
				own[key.Value] = true
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// mergedMappings returns the mappings that merge keys name, one by one or in lists.
func mergedMappings(values []*yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	for _, value := range values {
		if value.Kind != yaml.SequenceNode {
			all = append(all, value)
			continue
		}
		for _, inner := range value.Content {
			if inner.Kind == yaml.AliasNode {
				inner = inner.Alias
			}
			all = append(all, inner)
		}
	}
	return all
}

// member returns the value of a key of a mapping of a contract, nil where there is none.
func member(n *yaml.Node, name string) *yaml.Node {
	for key, value := range merged(n) {
		if key.Value == name {
			return value
		}
	}
	return nil
}

// beginning returns what an object is shown by: the key `kind` of a document, and anything else itself.
func beginning(n *yaml.Node) *yaml.Node {
	for key := range mapping(n) {
		if key.Value == "kind" {
			return key
		}
	}
	return n
}
