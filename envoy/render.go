package envoy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// RenderJSON returns a message in the JSON form that Envoy reads: fields in snake_case, keys sorted, indented, a newline
// at the end. Equal messages give equal bytes, in every build: protojson alone varies its white space on purpose. The
// error tells of an Any whose type is unknown here.
func RenderJSON(m proto.Message) ([]byte, error) {
	tree, err := decode(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return out.Bytes(), nil
}

// RenderYAML returns the same as RenderJSON in YAML, for people. Strings that Envoy's parser could take for something else
// are quoted.
func RenderYAML(m proto.Message) ([]byte, error) {
	tree, err := decode(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(yamlTree(tree)); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	return out.Bytes(), nil
}

// decode returns a message as the maps, lists and scalars of its JSON form, with numbers as they are written.
func decode(m proto.Message) (any, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	return tree, nil
}

// yamlTree returns a decoded tree as YAML nodes, so that the style of each scalar is ours: numbers as JSON writes them,
// strings quoted unless they are surely read as strings. Envoy's parser reads words such as "on" and "y" as booleans.
func yamlTree(value any) any {
	switch value := value.(type) {
	case map[string]any:
		tree := make(map[string]any, len(value))
		for key, child := range value {
			tree[key] = yamlTree(child)
		}
		return tree
	case []any:
		list := make([]any, len(value))
		for i, child := range value {
			list[i] = yamlTree(child)
		}
		return list
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
	case string:
		node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
		if !isPlain(value) {
			node.Style = yaml.DoubleQuotedStyle
		}
		return node
	default:
		return value
	}
}

// isPlain tells whether a string is read as a string without quotes: it starts with a letter or a slash, has only harmless
// characters, and is no word that one of the YAML versions takes for a null, a boolean or a number.
func isPlain(s string) bool {
	if s == "" || !isLetter(rune(s[0])) && s[0] != '/' {
		return false
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "infinity", "nan":
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !isLetterOrDigit(r) && !strings.ContainsRune("._-/", r) })
}
