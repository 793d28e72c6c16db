// Package edit changes the text of one YAML document and leaves every byte that it need not touch: comments, order, blank
// lines, quotes.
//
// In: the text of a document, a path to a value, and the value. Out: the text with that value, or an error; what comes out was
// parsed again and holds exactly what was asked for. It knows YAML and nothing of what documents mean: a path says itself
// what it needs of that.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxDepth bounds the nesting of a document and of a value.
const maxDepth = 64

// Errors of an edit.
var (
	ErrNoYAML  = errors.New("this is no YAML that can be read")
	ErrNoValue = errors.New("there is no such value")
	ErrAlias   = errors.New("the value stands behind an alias or merge key: write it out first")
	ErrShape   = errors.New("the value around it is of another shape: set that as a whole")
	errLost    = errors.New("the text cannot be edited in place")
)

// Step leads from a value to one inside it.
type Step struct {
	// Name is a field of a mapping. Empty: the step leads to an item of a list.
	Name string
	// Order names the fields of the mapping as they are written; a new one goes where it belongs.
	Order []string
	// Short is the field whose value alone may stand for the mapping.
	Short string

	// Key tells an item of a list by its field By, or by its text where it has no fields, or by its position.
	Key string
	By  string
	// Single says that an item alone may stand for the list.
	Single bool
}

// Set returns the text of a document with a value, which is YAML itself. Mappings on the way that are not there are made, and
// so is an item of a list that is told by a field.
func Set(text []byte, path []Step, value string) ([]byte, error) {
	to, err := parse([]byte(value))
	if err != nil {
		return nil, err
	}
	if to == nil {
		return nil, ErrNoValue
	}
	if holdsAlias(to.Content[0]) {
		return nil, ErrAlias
	}
	return change(text, func(root *yaml.Node) (*yaml.Node, error) { return set(root, path, to.Content[0]) })
}

// Remove returns the text of a document without a value. It returns ErrNoValue where there is none.
func Remove(text []byte, path []Step) ([]byte, error) {
	return change(text, func(root *yaml.Node) (*yaml.Node, error) { return remove(root, path) })
}

// change makes a tree into another, and the text accordingly: in place where that brings the tree that is wanted, else by writing
// the document anew with its comments.
func change(text []byte, turn func(*yaml.Node) (*yaml.Node, error)) ([]byte, error) {
	doc, err := parse(text)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, ErrNoValue
	}
	old := doc.Content[0]
	want, err := turn(old)
	if err != nil {
		return nil, err
	}
	if same(old, want) {
		return text, nil
	}
	if out, err := splice(text, old, want); err == nil && holds(out, want) {
		return out, nil
	}
	whole := *doc
	whole.Content = []*yaml.Node{deep(want, map[*yaml.Node]*yaml.Node{})} // The library changes what it writes.
	out, err := yaml.Dump(&whole, yaml.WithV4Defaults())
	if err != nil || !holds(out, want) {
		return nil, errors.Join(errLost, err)
	}
	return out, nil
}

// holds reports whether a text is one document that is a tree.
func holds(text []byte, want *yaml.Node) bool {
	doc, err := parse(text)
	return err == nil && doc != nil && same(doc.Content[0], want)
}

// parse reads the one document of a text, nil where there is none.
func parse(text []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(loaderlimits.New(
		loaderlimits.AliasNone(), // Nothing here unfolds an alias.
		loaderlimits.DepthFunc(func(depth int, _ *loaderlimits.DepthContext) error {
			if depth > maxDepth {
				return ErrNoYAML
			}
			return nil
		}),
	)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoYAML, err)
	}
	var doc, more yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoYAML, err)
	}
	if err := loader.Load(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one document", ErrNoYAML)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return &doc, nil
}
