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

// beginning returns what an object is shown by: the key `kind` of a document, and anything else itself.
func beginning(n *yaml.Node) *yaml.Node {
	for key := range mapping(n) {
		if key.Value == "kind" {
			return key
		}
	}
	return n
}
