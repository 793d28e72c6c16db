package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// document is an object of the live configuration.
type document struct {
	ref    gateway.Ref
	source string
	text   string         // As it was handed in; only of liveObjects.
	node   *yaml.Node     // The document in its canonical form; only of liveDocuments.
	fields map[string]any // The same, for looking things up.
}

// liveObjects returns the objects of one kind as they were handed in, by name and version; every object where kind is "". The
// daemon has these at hand, so it is the quicker way to names.
func liveObjects(ctx context.Context, client *admin.Client, kind gateway.Kind) ([]document, error) {
	sources, err := client.Documents(ctx, 0, false)
	if errors.Is(err, admin.ErrNotFound) {
		return nil, nil // Nothing is live yet.
	}
	if err != nil {
		return nil, away(err)
	}
	var all []document
	for _, s := range sources {
		for _, slice := range config.Slices(s.Files) {
			if slice.Document && slice.Ref.Name != "" && (kind == "" || slice.Ref.Kind == kind) {
				all = append(all, document{ref: slice.Ref, source: s.Source, text: slice.Text})
			}
		}
	}
	slices.SortFunc(all, byRef)
	return all, nil
}

// byRef orders objects by kind, name and version.
func byRef(a, b document) int {
	return a.ref.Compare(b.ref)
}

// liveDocuments returns the objects of one kind, by name and version; every object where kind is "".
func liveDocuments(ctx context.Context, client *admin.Client, kind gateway.Kind) ([]document, error) {
	sources, err := client.Documents(ctx, 0, true)
	if errors.Is(err, admin.ErrNotFound) {
		return nil, nil // Nothing is live yet.
	}
	if err != nil {
		return nil, away(err)
	}
	var all []document
	for _, s := range sources {
		for _, file := range slices.Sorted(maps.Keys(s.Files)) {
			if !isDocument(file) {
				continue
			}
			found, err := readDocuments(s.Files[file])
			if err != nil {
				return nil, fmt.Errorf("read %s of the live configuration: %w", file, err)
			}
			for _, d := range found {
				if kind == "" || d.ref.Kind == kind {
					d.source = s.Source
					all = append(all, d)
				}
			}
		}
	}
	slices.SortFunc(all, byRef)
	return all, nil
}

// readDocuments reads the documents of a file; what has neither kind nor name, such as a contract, is left out.
func readDocuments(text []byte) ([]document, error) {
	var all []document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		d := document{node: &node, fields: map[string]any{}}
		if len(node.Content) == 0 || node.Content[0].Kind != yaml.MappingNode {
			continue
		}
		if err := node.Decode(&d.fields); err != nil {
			return nil, err
		}
		d.ref = gateway.Ref{Kind: gateway.Kind(textOf(d.fields["kind"])), Name: textOf(d.fields["name"]), Version: textOf(d.fields["version"])}
		if d.ref.Kind != "" && d.ref.Name != "" {
			all = append(all, d)
		}
	}
}

// findDocument returns the object that a word names: NAME, or for an API NAME/VERSION, of which the version may be left out
// where there is only one.
func findDocument(all []document, kind gateway.Kind, word string) (*document, error) {
	name, version, _ := strings.Cut(word, "/")
	var found []*document
	for i := range all {
		d := &all[i]
		if d.ref.Kind == kind && d.ref.Name == name && (version == "" || d.ref.Version == version) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no %s %q in what is live", kind, word)
	case 1:
		return found[0], nil
	}
	versions := make([]string, len(found))
	for i, d := range found {
		versions[i] = objectName(d.ref)
	}
	return nil, usageError{fmt.Errorf("there are several versions: name one of %s", strings.Join(versions, ", "))}
}

// objectName is how a verb about one kind names an object.
func objectName(ref gateway.Ref) string {
	if ref.Version == "" {
		return ref.Name
	}
	return ref.Name + "/" + ref.Version
}

// textOf returns a value as a word; nothing for what is none.
func textOf(value any) string {
	switch v := value.(type) {
	case nil, map[string]any, []any:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// listOf returns a value as a list: what is none stands for a list of one.
func listOf(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// fieldOf returns a field of a mapping, or nil.
func fieldOf(value any, name string) any {
	fields, _ := value.(map[string]any)
	return fields[name]
}

// wordsOf joins a list of words.
func wordsOf(value any) string {
	var words []string
	for _, item := range listOf(value) {
		words = append(words, textOf(item))
	}
	return strings.Join(words, ",")
}

// part is a field of something that is written.
type part struct {
	name  string
	value any
}

// nodeOf returns a value as YAML: parts as a mapping in their order, those without a value left out.
func nodeOf(value any) (*yaml.Node, error) {
	node := &yaml.Node{}
	switch v := value.(type) {
	case []part:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		for _, p := range v {
			if p.value == nil {
				continue
			}
			inner, err := nodeOf(p.value)
			if err != nil {
				return nil, err
			}
			name := &yaml.Node{}
			name.SetString(p.name)
			node.Content = append(node.Content, name, inner)
		}
	case [][]part:
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range v {
			inner, err := nodeOf(item)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, inner)
		}
	default:
		if err := node.Encode(value); err != nil {
			return nil, fmt.Errorf("write YAML: %w", err)
		}
	}
	if node.Kind != yaml.ScalarNode {
		node.Style |= yaml.FlowStyle
	}
	return node, nil
}

// documentText writes a document: its fields in their order, each on a line.
func documentText(parts []part) (string, error) {
	node, err := nodeOf(parts)
	if err != nil {
		return "", err
	}
	node.Style = 0
	text, err := yaml.Marshal(node)
	if err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	return string(text), nil
}

// flow writes a value as the text of a field.
func flow(value any) (string, error) {
	node, err := nodeOf(value)
	if err != nil {
		return "", err
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// printNode writes a document.
func printNode(w io.Writer, node *yaml.Node) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return encoder.Close()
}
