package config

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// verbs are the methods that a path item can have (OpenAPI 3.1, 4.8.9).
func verbs() []string {
	return []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}
}

// listed is an operation of the contract and where it stands.
type listed struct {
	gateway.Operation
	place gateway.Place
	named bool // By an operationId.
}

// collect takes the operations out of a contract's tree. What its references hit is left out: it is reported already.
func (c *contract) collect(refs *references, s *source) []listed {
	paths := member(s.root, "paths")
	switch {
	case paths == nil || refs.endless:
		return nil
	case paths.Kind != yaml.MappingNode:
		c.fault(s.at(paths), "paths is %s: write a mapping", describe(paths))
		return nil
	}
	var all []listed
	lines := map[string]int{}
	for pattern, item := range merged(paths) {
		if strings.HasPrefix(pattern.Value, "x-") {
			continue
		}
		if line, twice := lines[pattern.Value]; twice {
			c.fault(s.at(pattern), "the path %q stands already in line %d: put the two together", pattern.Value, line)
			continue
		}
		lines[pattern.Value] = pattern.Line
		if pattern.Value == "$ref" {
			c.fault(s.at(pattern), "paths cannot be a reference as a whole: write the paths here, each with a $ref of its own")
			continue
		}
		p, err := contractPath(pattern.Value)
		if err != nil {
			c.fault(s.at(pattern), "%s", err)
			continue
		}
		walk := &pathItem{contract: c, refs: refs, pattern: pattern.Value, path: p, verbs: map[string]gateway.Place{}}
		walk.read(position{s, pattern}, item)
		if all = append(all, walk.operations...); len(all) > maxOperations {
			c.report(gateway.CodeTooLarge, s.at(pattern), "the contract has more than %d operations: split it", maxOperations)
			return all
		}
	}
	return all
}

// add orders the operations and reports those whose names are no use.
func (c *contract) add(all []listed) {
	slices.SortStableFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Match.Path.String(), b.Match.Path.String()), cmp.Compare(a.Match.Methods[0], b.Match.Methods[0]))
	})
	seen := map[string]listed{}
	for _, op := range all {
		first, twice := seen[op.ID]
		var valid name
		switch {
		case twice && op.named && op.place == first.place:
			c.fault(op.place, "the operationId %q is used by %s and %s, which refer to the same operation: give each its own", op.ID, first.Match.Path, op.Match.Path)
		case twice && op.named:
			c.fault(op.place, "the operationId %q stands in %s too: give each operation its own", op.ID, seenFrom(op.place, first.place))
		case twice:
			c.fault(op.place, "the operation gets the name %q, which that in %s has too: write an operationId", op.ID, seenFrom(op.place, first.place))
		case valid.parse(op.ID) != nil:
			c.fault(op.place, "the operationId is too long: at most %d characters are allowed", maxName)
		case slices.Contains(ownOperations(), op.ID):
			c.fault(op.place, "the operationId %q is Gatehouse's own: write another", op.ID)
		default:
			seen[op.ID] = op
			c.operations = append(c.operations, op.Operation)
			c.places = append(c.places, op.place)
		}
	}
}

// seenFrom names a place by its line alone where that is in the same file.
func seenFrom(here, there gateway.Place) string {
	if here.File == there.File {
		return fmt.Sprintf("line %d", there.Line)
	}
	return fmt.Sprintf("%s:%d", there.File, there.Line)
}

// contractPath reads a path template of OpenAPI, which has parameters but no wildcards.
func contractPath(pattern string) (gateway.Path, error) {
	if strings.Contains(pattern, "*") {
		return gateway.Path{}, fmt.Errorf("the path %q has a \"*\", which OpenAPI takes literally: write the operation into the API's document", pattern)
	}
	return gateway.ParsePath(pattern)
}

// operationID returns the name of an operation: its operationId, or its method and path, with "-" for what no name may
// hold.
func operationID(id, verb, pattern string) string {
	if id == "" {
		id = verb + path.Clean("/"+pattern)
	}
	parts := strings.FieldsFunc(id, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
	return strings.Trim(strings.Join(parts, "-"), "-")
}
