package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// pathItem reads the operations of one path of a contract.
type pathItem struct {
	contract   *contract
	refs       *references
	pattern    string
	path       gateway.Path
	verbs      map[string]gateway.Place // Where each method stands that was met.
	operations []listed
}

// outline is what there is in an item or an operation: a reference, an operationId, and the keys and values of methods.
type outline struct {
	ref, id *yaml.Node
	verbs   []*yaml.Node
	whole   bool // It is a contract, no item.
}

// outline looks a mapping through once, be there many references to it.
func (r *references) outline(n *yaml.Node) *outline {
	known := r.outlines[n]
	if known != nil {
		return known
	}
	o := &outline{}
	for key, value := range merged(n) {
		switch {
		case key.Value == "$ref":
			o.ref = value
		case key.Value == "operationId":
			o.id = value
		case key.Value == "openapi":
			o.whole = true
		case slices.Contains(verbs(), strings.ToLower(key.Value)):
			o.verbs = append(o.verbs, key, value)
		}
	}
	r.outlines[n] = o
	return o
}

// read takes the operations of an item and of that to which it refers: OpenAPI joins the two, and says nothing about a method
// that both have (3.1, 4.8.9), which is a fault here. key is the item's own.
func (i *pathItem) read(key position, item *yaml.Node) {
	at := position{key.source, item}
	for range maxReferences {
		if at.node.Kind != yaml.MappingNode {
			i.contract.fault(key.place(), "the path %q is %s: write its operations as a mapping", i.pattern, describe(at.node))
			return
		}
		o := i.refs.outline(at.node)
		if o.whole {
			i.contract.fault(key.place(), "the path %q is a whole contract: refer to one path of it, or to a file that holds one", i.pattern)
			return
		}
		for pair := range slices.Chunk(o.verbs, 2) {
			i.operation(position{at.source, pair[0]}, pair[1])
		}
		if o.ref == nil {
			return
		}
		key = position{at.source, o.ref}
		if at = i.follow(key); at.node == nil {
			return
		}
	}
	i.contract.fault(key.place(), "the path %q refers to its operations by more than %d references: take out some", i.pattern, maxReferences)
}

// operation adds what stands under one method of an item.
func (i *pathItem) operation(key position, op *yaml.Node) {
	verb := strings.ToLower(key.node.Value)
	if first, twice := i.verbs[verb]; twice {
		i.contract.fault(key.place(), "the operation %s %s stands already in %s: keep one of the two", verb, i.pattern, seenFrom(key.place(), first))
		return
	}
	i.verbs[verb] = key.place()
	at := position{key.source, op}
	for hops := 0; ; hops++ {
		ref := i.refs.outline(at.node).ref
		if ref == nil {
			break
		}
		if hops == maxReferences {
			i.contract.fault(key.place(), "the operation %s %s stands behind more than %d references: take out some", verb, i.pattern, maxReferences)
			return
		}
		if at = i.follow(position{at.source, ref}); at.node == nil {
			return
		}
	}
	if at.node.Kind != yaml.MappingNode {
		i.contract.fault(key.place(), "the operation %s %s is %s: write it as a mapping", verb, i.pattern, describe(at.node))
		return
	}
	i.add(verb, key, at)
}

// add adds an operation that is a mapping.
func (i *pathItem) add(verb string, key, op position) {
	entry := listed{place: key.place()}
	entry.Field = "contract"
	entry.Match = gateway.Match{Methods: []string{strings.ToUpper(verb)}, Path: i.path}
	if id := i.refs.outline(op.node).id; id != nil {
		if entry.place = op.source.at(id); !isText(id) {
			i.contract.fault(entry.place, "the operationId is %s: write text, in quotes", describe(id))
			return
		}
		entry.ID, entry.named = id.Value, id.Value != ""
	}
	var said bool
	if entry.Scopes, said = i.contract.requirements(op.source, op.node); !said {
		entry.Scopes = i.contract.security
	}
	entry.ID = operationID(entry.ID, verb, i.pattern)
	i.operations = append(i.operations, entry)
}

// follow returns that to which an item or an operation refers; nothing where that is reported.
func (i *pathItem) follow(ref position) position {
	goal, sound := i.refs.goals[ref.node]
	switch {
	case !isText(ref.node):
		i.contract.fault(ref.place(), "the reference is %s: write text, in quotes", describe(ref.node))
	case sound && goal.node == nil:
		i.contract.fault(ref.place(), "the path %q refers to what cannot be found in a file: write a reference such as ./item.yaml or #/components/pathItems/item", i.pattern)
	}
	return goal
}
