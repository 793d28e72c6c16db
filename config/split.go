package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of one file.
const (
	maxDocuments = 100_000
	maxRestarts  = 100 // How often reading goes on behind a document that cannot be read.
)

var errTooDeep = errors.New("nested too deep")

// part is one document of a file. root is nil where it could not be read.
type part struct {
	object *object
	root   *yaml.Node
}

// split reads the documents of a file. One that is no YAML is reported and left out; reading goes on with the next.
func (l *loader) split(file string, text []byte) []part {
	var parts []part
	rest := text
	for range maxRestarts {
		roots, broken := trees(rest)
		for _, root := range roots {
			o := &object{load: l, source: l.source, file: file, spots: spotsOf(root)}
			o.ref, o.team = identity(root)
			parts = append(parts, part{object: o, root: root})
		}
		if broken == nil {
			break
		}
		start, next := around(text, broken.line)
		o := &object{load: l, source: l.source, file: file, spots: &spot{line: int32(start), column: 1}}
		o.ref, o.team = skim(text, start, next)
		o.report(broken.code, gateway.Place{File: file, Line: broken.line, Column: broken.column}, "", broken.text)
		parts = append(parts, part{object: o})
		if next == 0 {
			break
		}
		// Blank lines in place of what is read keep the numbers of the lines.
		rest = append(bytes.Repeat([]byte("\n"), next-1), from(text, next)...)
	}
	return parts
}

// syntax is why and where a stream of YAML ends early.
type syntax struct {
	refusal
	line, column int
}

// trees reads documents up to the end or the first that is no YAML, without those that hold nothing.
func trees(text []byte) (roots []*yaml.Node, broken *syntax) {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(loaderlimits.New(
		loaderlimits.AliasNone(), // Aliases are not unfolded here; whoever reads the tree bounds them.
		loaderlimits.DepthFunc(func(depth int, _ *loaderlimits.DepthContext) error {
			if depth > maxDepth {
				return errTooDeep
			}
			return nil
		}),
	)))
	if err != nil {
		return nil, &syntax{refusal: refusal{code: gateway.CodeSyntax, text: err.Error()}, line: 1, column: 1}
	}
	for {
		var node yaml.Node
		err := loader.Load(&node)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return roots, syntaxOf(err, text)
		}
		if len(node.Content) == 0 || isNull(node.Content[0]) {
			continue
		}
		root := node.Content[0]
		if len(roots) >= maxDocuments {
			return roots, &syntax{
				refusal: refusal{code: gateway.CodeTooLarge, text: fmt.Sprintf("more than %d documents: split the file", maxDocuments)},
				line:    root.Line, column: root.Column,
			}
		}
		roots = append(roots, root)
	}
}

// syntaxOf turns the parser's error into a place and a message.
func syntaxOf(err error, text []byte) *syntax {
	s := &syntax{refusal: refusal{code: gateway.CodeSyntax, text: "this is no YAML that can be read"}, line: 1, column: 1}
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return s
	}
	s.text = "this is no YAML that can be read: " + e.Message
	end := lastLine(text) // The parser is a line too far where the text ends without a line break.
	if e.ContextMsg != "" && e.ContextMark.Line > 0 {
		s.text += fmt.Sprintf(", %s that begins in line %d", e.ContextMsg, min(e.ContextMark.Line, end))
	}
	s.text += remedy(e)
	if strings.Contains(e.Message, errTooDeep.Error()) {
		s.code, s.text = gateway.CodeTooLarge, fmt.Sprintf("more than %d levels of nesting: write it flatter", maxDepth)
	}
	s.line, s.column = e.Mark.Line, e.Mark.Column
	here := from(text, s.line)
	if (isBorder(here) || len(here) == 0) && e.ContextMark.Line > 0 && e.ContextMark.Line < s.line {
		s.line, s.column = e.ContextMark.Line, e.ContextMark.Column // Noticed only where the next document or the end is.
	}
	if s.column > 0 && len(here) >= s.column && here[s.column-1] == '\t' {
		s.text = "this is a tab: YAML is indented by blanks"
	}
	if s.line > end {
		s.line, s.column = end, max(1, len(from(text, end)))
	}
	s.line, s.column = max(1, s.line), max(1, s.column)
	return s
}

// lastLine returns the number of a text's last line. YAML has more line breaks than one (YAML 1.1, 5.4).
func lastLine(text []byte) int {
	breaks := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	return strings.Count(breaks.Replace(string(text)), "\n") + 1
}

// remedy says what to do about the mistakes that are made most often.
func remedy(e *yaml.LoadError) string {
	switch {
	case strings.HasPrefix(e.ContextMsg, "while parsing a flow"):
		return `: close it, and quote a text that holds a bracket, a brace or a comma, such as "/{id}"`
	case strings.HasPrefix(e.Message, "mapping values are not allowed"):
		return `: indent it as its neighbours are, and quote a text that holds ": "`
	case strings.Contains(e.ContextMsg, "quoted scalar"):
		return ": close the quotes"
	}
	return ""
}

// isBorder reports whether a text begins with the mark between two documents, which can stand in no scalar (YAML 1.2 9.1.2).
func isBorder(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("---"))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// from returns the text from the beginning of a line on.
func from(text []byte, line int) []byte {
	for ; line > 1; line-- {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return nil
		}
		text = text[i+1:]
	}
	return text
}

// around returns the first line of the document in which a line stands, and of the next one; 0: there is none.
func around(text []byte, line int) (start, next int) {
	start = 1
	number := 0
	for row := range bytes.Lines(text) {
		number++
		if !isBorder(row) {
			continue
		}
		if number > line {
			return start, number
		}
		start = number
	}
	return start, 0
}

// skim reads kind, name, version and team of a document that is no YAML, line by line.
func skim(text []byte, start, next int) (ref gateway.Ref, team string) {
	fields := map[string]string{}
	number := start
	for row := range bytes.Lines(from(text, start)) {
		if number++; next > 0 && number > next {
			break
		}
		key, value, found := strings.Cut(string(row), ":")
		value, _, _ = strings.Cut(value, " #")
		if _, known := fields[key]; found && !known && !strings.ContainsAny(value, "\"'[{&*") {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return refOf(fields["kind"], fields["name"], fields["version"]), fields["team"]
}

// identity reads kind, name, version and team of a document before anything is checked.
func identity(root *yaml.Node) (ref gateway.Ref, team string) {
	text := func(key string) string {
		if n := lookup(root, key); n != nil && isText(n) {
			return n.Value
		}
		return ""
	}
	return refOf(text("kind"), text("name"), text("version")), text("team")
}

// refOf returns the key of an object, zero where it cannot be one.
func refOf(kind, own, version string) gateway.Ref {
	var valid name
	if newDocument(gateway.Kind(kind)) == nil || valid.parse(own) != nil {
		return gateway.Ref{}
	}
	ref := gateway.Ref{Kind: gateway.Kind(kind), Name: own}
	if ref.Kind != gateway.KindAPI {
		return ref
	}
	if ref.Version = version; valid.parse(version) != nil {
		return gateway.Ref{} // Which version is meant cannot be told.
	}
	return ref
}
