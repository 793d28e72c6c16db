package authz

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// need says which part of a document a policy refers to: all of it, or only the named parts. A nil need is none of it.
type need struct {
	all   bool
	parts map[string]*need
}

// at returns the need of one part of the document; nil where the policy never refers to it.
func (n *need) at(name string) *need {
	if n == nil || n.all {
		return n
	}
	return n.parts[name]
}

// add notes a path into the document. The first step that is not a literal name could be any name, so all below is needed.
func (n *need) add(path ast.Ref) {
	for _, step := range path {
		if n.all {
			return
		}
		name, ok := step.Value.(ast.String)
		if !ok {
			break
		}
		if n.parts == nil {
			n.parts = map[string]*need{}
		}
		part := n.parts[string(name)]
		if part == nil {
			part = &need{}
			n.parts[string(name)] = part
		}
		n = part
	}
	n.all, n.parts = true, nil
}

// inputNeed returns which parts of input compiled modules refer to. The compiler has by then replaced imports and aliases
// by whole references, so that none is overlooked. What "with" replaces is written, not read; its value is read.
func inputNeed(modules map[string]*ast.Module) *need {
	root := &need{}
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.With:
			visitor.Walk(x.Value)
			return true
		case ast.Ref:
			if !x.HasPrefix(ast.InputRootRef) {
				return false
			}
			root.add(x[1:])
			for _, step := range x[1:] {
				visitor.Walk(step)
			}
			return true
		case ast.Var:
			if x.Equal(ast.InputRootDocument.Value) {
				root.add(nil)
			}
		}
		return false
	})
	for _, module := range modules {
		for _, rule := range module.Rules { // Imports name whole branches of which only a leaf may be read.
			visitor.Walk(rule)
		}
	}
	return root
}
