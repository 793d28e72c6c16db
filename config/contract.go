package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// contract is an OpenAPI file as it was read once, for all APIs that name it.
type contract struct {
	operations []gateway.Operation
	places     []gateway.Place   // Of each operation.
	faults     []gateway.Fault   // Code, Place and Message only.
	reads      map[string][]byte // The other files that it refers to.
	security   [][]string        // What it asks for of operations that say nothing themselves.
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
	for other, text := range c.reads {
		l.note(o, other, text)
	}
	for _, f := range c.faults {
		o.report(f.Code, f.Place, "contract", f.Message)
	}
	o.contract = c
	return c.operations, len(c.faults) == 0
}

func (l *loader) readContract(file string, text []byte) *contract {
	c := &contract{reads: map[string][]byte{}}
	refs := newReferences(l, c)
	s := refs.open(file, text)
	if s == nil || !c.checkVersion(s) {
		return c
	}
	refs.follow()
	c.security, _ = c.requirements(s, s.root)
	c.add(c.collect(refs, s))
	return c
}

func (c *contract) fault(place gateway.Place, format string, args ...any) {
	c.report(gateway.CodeContract, place, format, args...)
}

func (c *contract) report(code gateway.Code, place gateway.Place, format string, args ...any) {
	if len(c.faults) <= maxFaults {
		c.faults = append(c.faults, gateway.Fault{Code: code, Place: place, Message: fmt.Sprintf(format, args...)})
	}
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
