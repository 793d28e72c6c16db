package config

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxContractFiles bounds the files of one contract.
const maxContractFiles = 1_000

// references reads the files to which a contract refers, and checks that what it refers to is there. Nothing is fetched
// from elsewhere.
type references struct {
	load     *loader
	contract *contract
	files    map[string]*source
	order    []*source // As they were opened; grows while they are followed.
}

// source is one file of a contract.
type source struct {
	file string
	text []byte
	root *yaml.Node // nil for a file that is neither YAML nor JSON.
}

func (s *source) at(n *yaml.Node) gateway.Place {
	return gateway.Place{File: s.file, Line: n.Line, Column: n.Column}
}

// open parses a file and notes it. nil: it cannot be read, which is reported.
func (r *references) open(file string, text []byte) *source {
	s := &source{file: file, text: text}
	r.files[file] = s
	switch path.Ext(file) {
	case ".yaml", ".yml", ".json":
	default:
		if len(r.order) > 0 { // The contract itself may have any name.
			return s
		}
	}
	parts, broken := r.load.stream(file, text)
	switch {
	case broken != nil:
		r.contract.fault(gateway.Place{File: file, Line: broken.line, Column: broken.column}, "%s", broken.text)
		return nil
	case len(parts) != 1:
		r.contract.fault(gateway.Place{File: file, Line: 1, Column: 1}, "the file holds %d documents: a contract is one", len(parts))
		return nil
	}
	s.root = parts[0].root
	r.order = append(r.order, s)
	return s
}

// follow checks every reference of every file.
func (r *references) follow() {
	for i := 0; i < len(r.order); i++ {
		r.walk(r.order[i], r.order[i].root, 0)
	}
}

func (r *references) walk(s *source, n *yaml.Node, depth int) {
	if depth > maxDepth { // An alias is not walked into, so this is as deep as the parser went.
		return
	}
	for i, inner := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "$ref" && inner.Kind == yaml.ScalarNode {
			r.check(s, inner)
			continue
		}
		r.walk(s, inner, depth+1)
	}
}

// check reports a reference to what is not there.
func (r *references) check(s *source, ref *yaml.Node) {
	named, fragment, _ := strings.Cut(ref.Value, "#")
	target := s
	if named != "" {
		if target = r.target(s, ref, named); target == nil {
			return
		}
	}
	if target.root == nil || !strings.HasPrefix(fragment, "/") { // An anchor is left to whoever reads schemas.
		return
	}
	if !points(target.root, fragment) {
		r.contract.fault(s.at(ref), "the contract refers to %s, which is not there: correct the reference", ref.Value)
	}
}

// target returns the file that a reference names.
func (r *references) target(s *source, ref *yaml.Node, named string) *source {
	if u, err := url.Parse(named); err != nil || u.Scheme != "" || u.Host != "" {
		r.contract.fault(s.at(ref), "the contract refers to %s, which is not fetched: put the file beside the contract", named)
		return nil
	} else if u.Path != "" {
		named = u.Path
	}
	file, refused := resolve(s.file, named)
	if refused == nil {
		if known, ok := r.files[file]; ok {
			return known
		}
		if len(r.files) >= maxContractFiles {
			refused = &refusal{text: fmt.Sprintf("the contract has more than %d files: put them together", maxContractFiles)}
		}
	}
	var text []byte
	if refused == nil {
		text, refused = r.load.read(file)
	}
	if refused != nil {
		r.contract.fault(s.at(ref), "%s", refused.text)
		return nil
	}
	r.load.docs.Files[file] = text
	return r.open(file, text)
}

// others returns the files beside the contract itself.
func (r *references) others(file string) map[string][]byte {
	others := map[string][]byte{}
	for own, s := range r.files {
		if own != file {
			others[own] = s.text
		}
	}
	return others
}

// points reports whether a JSON pointer (RFC 6901), as a fragment, leads somewhere.
func points(n *yaml.Node, fragment string) bool {
	for step := range strings.SplitSeq(fragment[1:], "/") {
		if unescaped, err := url.PathUnescape(step); err == nil {
			step = unescaped
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch n.Kind {
		case yaml.MappingNode:
			n = lookup(n, step)
		case yaml.SequenceNode:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.Content) {
				return false
			}
			n = n.Content[i]
		default:
			n = nil
		}
		if n == nil {
			return false
		}
	}
	return true
}
