package descriptors

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of one file's content.
const (
	maxDepth = 128     // Lists and mappings one in the other.
	maxNodes = 500_000 // Keys and values, those of aliases and merge keys each time that they are named.
)

var errTooDeep = errors.New("nested too deep")

// document is a file as it is written: what its keys say, before anything is asked of it.
type document struct {
	domain string
	rules  []written
	place  gateway.Place // Of its domain, or of its beginning.
}

// written is a rule as it is written.
type written struct {
	key, value                            string
	limit                                 *writtenLimit // nil: none.
	rules                                 []written
	shadow, quota, detailed, named, share bool
	place                                 gateway.Place
}

// writtenLimit is a limit as it is written.
type writtenLimit struct {
	name, unit string
	requests   uint32
	unlimited  bool
	replaces   []writtenName
	place      gateway.Place
	unitPlace  gateway.Place
}

type writtenName struct {
	name  string
	place gateway.Place
}

// parse reads the first document of a file; more are ignored, as envoyproxy/ratelimit does.
func parse(f File) (*yaml.Node, bool, *gateway.Fault) {
	fault := func(code gateway.Code, line, column int, text string) *gateway.Fault {
		return &gateway.Fault{Code: code, Place: gateway.Place{File: f.Name, Line: max(1, line), Column: max(1, column)}, Message: text}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(f.Text), yaml.WithPlugin(loaderlimits.New(
		loaderlimits.AliasNone(), // The decoder bounds them.
		loaderlimits.DepthFunc(func(depth int, _ *loaderlimits.DepthContext) error {
			if depth > maxDepth {
				return errTooDeep
			}
			return nil
		}),
	)))
	if err != nil {
		return nil, false, fault(gateway.CodeSyntax, 1, 1, "this is no YAML that can be read: "+err.Error())
	}
	var root yaml.Node
	switch err := loader.Load(&root); {
	case errors.Is(err, io.EOF):
		return nil, false, nil
	case err != nil:
		line, column, text := 1, 1, err.Error()
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			line, column, text = e.Mark.Line, e.Mark.Column, e.Message
		}
		return nil, false, fault(gateway.CodeSyntax, line, column, "this is no YAML that can be read: "+oneLine(text))
	case len(root.Content) == 0:
		return nil, false, nil
	}
	var second yaml.Node
	more := !errors.Is(loader.Load(&second), io.EOF)
	return root.Content[0], more, nil
}
