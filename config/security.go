package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// requirements reads the security requirements (OpenAPI 3.1, 4.8.30) that stand in a contract or in an operation: a list of which
// one suffices, each with the scopes of all its schemes. ok is false where nothing stands there.
func (c *contract) requirements(s *source, n *yaml.Node) (out [][]string, ok bool) {
	list := aimed(member(n, "security"))
	if list == nil {
		return nil, false
	}
	if list.Kind != yaml.SequenceNode {
		c.fault(s.at(list), "security is %s: write a list", describe(list))
		return nil, false
	}
	out = [][]string{}
	for _, each := range list.Content {
		if each = aimed(each); each.Kind != yaml.MappingNode {
			c.fault(s.at(each), "a security requirement is a mapping of schemes, this is %s", describe(each))
			continue
		}
		scopes := []string{}
		for _, named := range merged(each) {
			for _, scope := range aimed(named).Content {
				if scope = aimed(scope); isText(scope) {
					scopes = append(scopes, scope.Value)
				} else {
					c.fault(s.at(scope), "a scope is text, this is %s: write it in quotes", describe(scope))
				}
			}
		}
		slices.Sort(scopes)
		out = append(out, slices.Compact(scopes))
	}
	return out, true
}

// aimed returns what an alias stands for, and every other node itself.
func aimed(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
