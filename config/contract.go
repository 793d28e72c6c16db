package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// contract is an OpenAPI file as it was read once, for all APIs that name it.
type contract struct {
	operations []gateway.Operation
	faults     []gateway.Fault // Code, Place and Message only.
}

// looksLikeContract reports whether the first document of a YAML file has the key of an OpenAPI contract, before it is
// parsed.
func looksLikeContract(text []byte) bool {
	begun := false
	for row := range bytes.Lines(text) {
		if isBorder(row) && begun {
			return false
		}
		begun = begun || (row[0] != '#' && row[0] != '%' && len(bytes.TrimSpace(row)) > 0)
		for _, key := range []string{"openapi", `"openapi"`, "'openapi'"} {
			rest, ok := bytes.CutPrefix(row, []byte(key))
			if ok && bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte(":")) {
				return true
			}
		}
	}
	return false
}

// contract returns the operations of a contract, in order of their paths and methods. readable is false where there are
// faults in it, which are then the object's.
func (l *loader) contract(o *object, named string) (operations []gateway.Operation, readable bool) {
	text, file, ok := l.include(o, "contract", named)
	if !ok {
		return nil, false
	}
	c, known := l.contracts[file]
	if !known {
		c = l.readContract(file, text)
		l.contracts[file] = c
	}
	for _, f := range c.faults {
		o.report(f.Code, f.Place, "contract", f.Message)
	}
	return c.operations, len(c.faults) == 0
}

func (l *loader) readContract(file string, text []byte) *contract {
	c := &contract{}
	refs := &references{load: l, contract: c, files: map[string]*source{}}
	s := refs.open(file, text)
	if s == nil || !c.checkVersion(s) {
		return c
	}
	c.checkShape(s)
	refs.follow()
	if len(c.faults) > 0 {
		return c
	}
	others := refs.others(file)
	model, err := readModel(file, text, others)
	if err != nil {
		place := s.at(s.root)
		if m, ok := errors.AsType[*mishap](err); ok && m.line > 0 && len(others) == 0 {
			place.Line, place.Column = m.line, m.column
		}
		c.fault(place, "the contract cannot be read: %s", err)
		return c
	}
	c.collect(file, model)
	return c
}

func (c *contract) fault(place gateway.Place, format string, args ...any) {
	c.faults = append(c.faults, gateway.Fault{Code: gateway.CodeContract, Place: place, Message: fmt.Sprintf(format, args...)})
}

// checkVersion reports a file that is not OpenAPI 3.0 or 3.1.
func (c *contract) checkVersion(s *source) bool {
	version := lookup(s.root, "openapi")
	switch {
	case version == nil && lookup(s.root, "swagger") != nil:
		c.fault(s.at(s.root), "the contract is of Swagger 2: convert it to OpenAPI 3.1")
	case version == nil:
		c.fault(s.at(s.root), "the file is no OpenAPI contract: it has no key openapi")
	case !strings.HasPrefix(version.Value, "3.0.") && !strings.HasPrefix(version.Value, "3.1."):
		c.fault(s.at(version), "the contract is of OpenAPI %q: versions 3.0 and 3.1 are read", version.Value)
	default:
		return true
	}
	return false
}

// checkShape reports paths and operations that are no mappings: the model leaves them out in silence.
func (c *contract) checkShape(s *source) {
	paths := lookup(s.root, "paths")
	if paths == nil {
		return
	}
	for pattern, item := range mapping(paths) {
		if strings.HasPrefix(pattern.Value, "x-") {
			continue
		}
		if item.Kind != yaml.MappingNode {
			c.fault(s.at(pattern), "the path %q is %s: write its operations as a mapping", pattern.Value, describe(item))
			continue
		}
		for verb, op := range mapping(item) {
			if slices.Contains(verbs(), verb.Value) && op.Kind != yaml.MappingNode {
				c.fault(s.at(verb), "the operation %s %s is %s: write it as a mapping", verb.Value, pattern.Value, describe(op))
			}
			if id := lookup(op, "operationId"); id != nil && !isText(id) {
				c.fault(s.at(id), "the operationId is %s: write text, in quotes", describe(id))
			}
		}
	}
	if paths.Kind != yaml.MappingNode {
		c.fault(s.at(paths), "paths is %s: write a mapping", describe(paths))
	}
}

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

// collect takes the operations out of a contract's model.
func (c *contract) collect(file string, model *v3.Document) {
	if model.Paths == nil || model.Paths.PathItems == nil {
		return
	}
	var all []listed
	for pattern, item := range model.Paths.PathItems.FromOldest() {
		place := placeOf(file, item.GoLow().GetIndex(), item.GoLow().KeyNode)
		place.File = file // The key stands in the contract, be the item elsewhere.
		p, err := contractPath(pattern)
		if err != nil {
			c.fault(place, "%s", err)
			continue
		}
		for verb, op := range item.GetOperations().FromOldest() {
			entry := listed{place: place, named: op.OperationId != ""}
			entry.Field = "contract"
			entry.Match = gateway.Match{Methods: []string{strings.ToUpper(verb)}, Path: p}
			entry.ID = operationID(op.OperationId, verb, pattern)
			low := op.GoLow()
			if id := low.OperationId.ValueNode; id != nil {
				entry.place = placeOf(file, low.GetIndex(), id)
			} else if low.KeyNode != nil {
				entry.place = placeOf(file, low.GetIndex(), low.KeyNode)
			}
			all = append(all, entry)
		}
	}
	c.add(all)
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
		case twice && op.named:
			c.fault(op.place, "the operationId %q stands in line %d too: give each operation its own", op.ID, first.place.Line)
		case twice:
			c.fault(op.place, "the operation gets the name %q, which that in line %d has too: write an operationId", op.ID, first.place.Line)
		case valid.parse(op.ID) != nil:
			c.fault(op.place, "the operationId is too long: at most %d characters are allowed", maxName)
		case slices.Contains(ownOperations(), op.ID):
			c.fault(op.place, "the operationId %q is Gatehouse's own: write another", op.ID)
		default:
			seen[op.ID] = op
			c.operations = append(c.operations, op.Operation)
		}
	}
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
		id = strings.ToLower(verb) + path.Clean("/"+pattern)
	}
	return strings.Trim(regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(id, "-"), "-")
}
