package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// Bounds of what is read.
const (
	maxFile  = 16 << 20
	maxDepth = 100
)

// reader remembers what of its files was read, so that the rest can be told.
type reader struct {
	read map[*yaml.Node]bool
	left []Left
}

// node is a value of a file. The zero value is one that is not there.
type node struct {
	r    *reader
	n    *yaml.Node
	file string
	what string // The object, and the path of the field in it.
}

// newReader returns a reader that has read nothing.
func newReader() *reader { return &reader{read: map[*yaml.Node]bool{}} }

// parse returns the documents of a file, of one in JSON too.
func (r *reader) parse(f File) ([]node, error) {
	if len(f.Text) > maxFile {
		return nil, fmt.Errorf("%s: the file has %d bytes, and at most %d are read", f.Name, len(f.Text), maxFile)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(f.Text), yaml.WithPlugin(loaderlimits.New(loaderlimits.AliasNone(), loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	var out []node
	for {
		var n yaml.Node
		err := loader.Load(&n)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s", f.Name, strings.ReplaceAll(err.Error(), "\n", " "))
		}
		root := &n
		if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
			root = n.Content[0]
		}
		if root.Kind == yaml.MappingNode {
			out = append(out, node{r: r, n: root, file: f.Name})
		}
	}
}

// field returns a field of a mapping, and remembers that it was looked at.
func (v node) field(name string) node {
	if v.n == nil || v.n.Kind != yaml.MappingNode {
		return node{r: v.r}
	}
	for i := 0; i+1 < len(v.n.Content); i += 2 {
		if v.n.Content[i].Value == name {
			v.r.read[v.n.Content[i]] = true
			what := v.what + name
			if v.what != "" && !strings.HasSuffix(v.what, " ") {
				what = v.what + "." + name
			}
			return node{r: v.r, n: v.n.Content[i+1], file: v.file, what: what}
		}
	}
	return node{r: v.r}
}

// path returns a field of a field.
func (v node) path(names ...string) node {
	for _, name := range names {
		v = v.field(name)
	}
	return v
}

// items returns the items of a list.
func (v node) items() []node {
	if v.n == nil || v.n.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]node, len(v.n.Content))
	for i, n := range v.n.Content {
		out[i] = node{r: v.r, n: n, file: v.file, what: fmt.Sprintf("%s[%d]", v.what, i)}
	}
	return out
}

// fields returns the names of a mapping's fields, all of which count as read.
func (v node) fields() []string {
	var out []string
	if v.n != nil && v.n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(v.n.Content); i += 2 {
			v.r.read[v.n.Content[i]] = true
			out = append(out, v.n.Content[i].Value)
		}
	}
	return out
}

// there reports whether a value is written.
func (v node) there() bool { return v.n != nil && v.n.Tag != "!!null" }

// text returns a scalar, empty where there is none.
func (v node) text() string {
	if v.n == nil || v.n.Kind != yaml.ScalarNode || v.n.Tag == "!!null" {
		return ""
	}
	return v.n.Value
}

// number returns a whole number, or another where there is none.
func (v node) number(otherwise int) int {
	n, err := strconv.Atoi(v.text())
	if err != nil {
		return otherwise
	}
	return n
}

// all makes everything below a value count as read: it means nothing here, or was told already.
func (v node) all() {
	if v.n != nil {
		v.r.readAll(v.n)
	}
}

func (r *reader) readAll(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			r.read[c] = true
		}
		r.readAll(c)
	}
}

// leave tells that a value is not carried over, and why.
func (v node) leave(format string, args ...any) {
	l := Left{File: v.file, What: strings.TrimSpace(v.what), Why: fmt.Sprintf(format, args...)}
	if v.n != nil {
		l.Line = v.n.Line
	}
	v.r.left = append(v.r.left, l)
	v.all()
}

// rest tells of every field below a value that nobody read.
func (v node) rest() {
	if v.n == nil {
		return
	}
	switch v.n.Kind {
	case yaml.SequenceNode:
		for _, item := range v.items() {
			item.rest()
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(v.n.Content); i += 2 {
			key := v.n.Content[i]
			known := v.r.read[key]
			below := v.field(key.Value)
			if !known {
				below.n = &yaml.Node{Kind: yaml.ScalarNode, Line: key.Line}
				below.leave("there is nothing in a document that says it")
				continue
			}
			below.rest()
		}
	}
}

// told returns what was left, in the order of the files and their lines.
func (r *reader) told(files []File) []Left {
	order := map[string]int{}
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(r.left, func(a, b Left) int {
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Line - b.Line
	})
	return r.left
}
