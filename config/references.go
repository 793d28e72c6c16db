package config

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of one contract.
const (
	maxContractFiles    = 1_000
	maxContractUnfolded = 1_000_000 // Values reached through aliases.
	maxReferences       = 64        // From one path to its operations.
	maxOperations       = 100_000
)

// references reads the files to which a contract refers, and finds where each reference leads. Nothing is fetched from
// elsewhere.
type references struct {
	load     *loader
	contract *contract
	files    map[string]*source
	order    []*source                            // As they were opened; grows while they are followed.
	all      []position                           // The text of each reference, in order.
	goals    map[*yaml.Node]position              // Where a reference leads, by its text; to no node where that is no part of a tree.
	members  map[*yaml.Node]map[string]*yaml.Node // Of mappings through which a reference leads.
	outlines map[*yaml.Node]*outline              // Of path items.
	unfolded int                                  // Values reached through aliases.
	endless  bool                                 // There is a ring, or too much is unfolded.
}

// source is one file of a contract.
type source struct {
	file string
	root *yaml.Node // nil for a file that is neither YAML nor JSON.
}

func (s *source) at(n *yaml.Node) gateway.Place {
	return gateway.Place{File: s.file, Line: n.Line, Column: n.Column}
}

// position is a value and the file in which it stands.
type position struct {
	source *source
	node   *yaml.Node
}

func (p position) place() gateway.Place { return p.source.at(p.node) }

func newReferences(l *loader, c *contract) *references {
	return &references{
		load: l, contract: c,
		files:    map[string]*source{},
		goals:    map[*yaml.Node]position{},
		members:  map[*yaml.Node]map[string]*yaml.Node{},
		outlines: map[*yaml.Node]*outline{},
	}
}

// open parses a file and notes it. nil: it cannot be read, which is reported.
func (r *references) open(file string, text []byte) *source {
	s := &source{file: file}
	r.files[file] = s
	switch path.Ext(file) {
	case ".yaml", ".yml", ".json":
	default:
		if len(r.order) > 0 { // The contract itself may have any name.
			return s
		}
	}
	roots, broken := trees(text)
	switch {
	case broken != nil:
		r.contract.fault(gateway.Place{File: file, Line: broken.line, Column: broken.column}, "%s", broken.text)
		return nil
	case len(roots) != 1:
		r.contract.fault(gateway.Place{File: file, Line: 1, Column: 1}, "the file holds %d documents: a contract is one", len(roots))
		return nil
	}
	s.root = roots[0]
	r.order = append(r.order, s)
	return s
}

// follow finds and checks every reference of every file.
func (r *references) follow() {
	for i := 0; i < len(r.order) && !r.endless; i++ {
		r.walk(r.order[i], r.order[i].root, 0)
	}
	if !r.endless {
		r.rings()
	}
}

// walk finds the references below a value.
func (r *references) walk(s *source, n *yaml.Node, depth int) {
	for i, inner := range n.Content {
		if inner.Kind == yaml.AliasNode {
			r.unfold(s, inner, inner.Alias, depth+1)
			inner = inner.Alias
			if inner.Kind != yaml.ScalarNode {
				continue // It is walked where it stands.
			}
		}
		if r.endless {
			return
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "$ref" && isText(inner) {
			r.check(position{s, inner})
			continue
		}
		r.walk(s, inner, depth+1)
	}
}

// unfold counts what an alias stands for, so that whoever reads the contract reaches an end.
func (r *references) unfold(s *source, alias, n *yaml.Node, depth int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	r.unfolded++
	if depth > maxDepth || r.unfolded > maxContractUnfolded {
		if !r.endless {
			r.contract.report(gateway.CodeTooLarge, s.at(alias), "the aliases unfold to too much: write the values out, or fewer of them")
		}
		r.endless = true
	}
	for _, inner := range n.Content {
		if r.endless {
			return
		}
		r.unfold(s, alias, inner, depth+1)
	}
}

// check notes where a reference leads, and reports one to what is not there.
func (r *references) check(ref position) {
	if _, known := r.goals[ref.node]; known {
		return
	}
	text := ref.node.Value
	if text == "" {
		r.contract.fault(ref.place(), "the reference is empty: write what it refers to")
		return
	}
	named, fragment, _ := strings.Cut(text, "#")
	target := ref.source
	if named != "" {
		if target = r.target(ref, named); target == nil {
			return
		}
	}
	goal := position{source: target}
	switch {
	case target.root == nil || (fragment != "" && fragment[0] != '/'): // An anchor is left to whoever reads schemas.
	case fragment == "":
		goal.node = target.root
	default:
		if goal.node = r.point(target.root, fragment); goal.node == nil {
			r.contract.fault(ref.place(), "the contract refers to %s, which is not there: correct the reference", shown(text))
			return
		}
	}
	r.goals[ref.node] = goal
	r.all = append(r.all, ref)
}

// target returns the file that a reference names.
func (r *references) target(ref position, named string) *source {
	if u, err := url.Parse(named); err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsFunc(u.Path, unicode.IsControl) {
		r.contract.fault(ref.place(), "the contract refers to %s, which is not fetched: put the file beside the contract", shown(named))
		return nil
	} else if u.Path != "" {
		named = u.Path
	}
	file, refused := resolve(ref.source.file, named)
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
		r.contract.fault(ref.place(), "%s", refused.text)
		return nil
	}
	r.load.docs.Files[file] = text
	r.contract.reads[file] = text
	return r.open(file, text)
}

// point returns that to which a JSON pointer (RFC 6901) leads, as a fragment; nil where it leads nowhere.
func (r *references) point(n *yaml.Node, fragment string) *yaml.Node {
	for step := range strings.SplitSeq(fragment[1:], "/") {
		if unescaped, err := url.PathUnescape(step); err == nil {
			step = unescaped
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch n.Kind {
		case yaml.MappingNode:
			n = r.member(n, step)
		case yaml.SequenceNode:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.Content) {
				return nil
			}
			if n = n.Content[i]; n.Kind == yaml.AliasNode {
				n = n.Alias
			}
		default:
			return nil
		}
		if n == nil {
			return nil
		}
	}
	return n
}

// member is the member of a mapping, found without a search where many references lead through it.
func (r *references) member(n *yaml.Node, name string) *yaml.Node {
	members, known := r.members[n]
	if !known {
		members = map[string]*yaml.Node{}
		for key, value := range mapping(n) {
			if _, twice := members[key.Value]; !twice {
				members[key.Value] = value
			}
		}
		r.members[n] = members
	}
	return members[name]
}

// rings reports references that lead to nothing but one another. A value may well hold a reference to itself, as
// recursive schemas do.
func (r *references) rings() {
	met := map[*yaml.Node]int{} // In which round.
	next := map[*yaml.Node]*yaml.Node{}
	for round, ref := range r.all {
		at := ref
		for at.node != nil && met[at.node] == 0 {
			met[at.node] = round + 1
			goal := r.goals[at.node]
			if _, known := next[goal.node]; !known && goal.node != nil {
				next[goal.node] = member(goal.node, "$ref")
			}
			at = position{goal.source, next[goal.node]}
		}
		if at.node != nil && met[at.node] == round+1 {
			r.endless = true
			r.contract.fault(at.place(), "the reference to %s leads back to itself by references alone: let one of them lead to a value", shown(at.node.Value))
		}
	}
}

// shown is text of a contract as a message quotes it: in one line, and not too long.
func shown(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(text)
	}
	return text
}
