package authz

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"google.golang.org/protobuf/types/known/structpb"
)

// parts reads the parts of a policy's answer and keeps the first error.
type parts struct {
	object ast.Object
	err    error
}

// get returns a part, or nil where it is missing.
func (p *parts) get(name string) ast.Value {
	if term := p.object.Get(ast.StringTerm(name)); term != nil {
		return term.Value
	}
	return nil
}

func (p *parts) wrong(name, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("the answer's %q is not %s", name, want)
	}
}

// headers reads an object of name to text or list of texts, or a list of such objects.
func (p *parts) headers(name string) []header {
	var read []header
	switch value := p.get(name).(type) {
	case nil:
	case ast.Object:
		read = p.pairs(name, value)
	case *ast.Array, ast.Set:
		each(value, func(element ast.Value) {
			object, ok := element.(ast.Object)
			if !ok {
				p.wrong(name, "a list of objects")
				return
			}
			read = append(read, p.pairs(name, object)...)
		})
	default:
		p.wrong(name, "an object")
	}
	return read
}

// query reads an object of parameter name to text or list of texts.
func (p *parts) query(name string) []header {
	switch value := p.get(name).(type) {
	case nil:
		return nil
	case ast.Object:
		return p.pairs(name, value)
	}
	p.wrong(name, "an object")
	return nil
}

// pairs reads an object of text to text or list of texts, in the order of its keys.
func (p *parts) pairs(name string, o ast.Object) []header {
	const want = "an object of texts and lists of texts"
	read := make([]header, 0, o.Len())
	for _, k := range o.Keys() {
		key, ok := k.Value.(ast.String)
		if !ok {
			p.wrong(name, want)
			return nil
		}
		one := func(v ast.Value) {
			text, ok := v.(ast.String)
			if !ok {
				p.wrong(name, want)
			}
			read = append(read, header{string(key), string(text)})
		}
		switch value := o.Get(k).Value.(type) {
		case *ast.Array, ast.Set:
			each(value, one)
		default:
			one(value)
		}
	}
	return read
}

// names reads a list of texts.
func (p *parts) names(name string) []string {
	var read []string
	value := p.get(name)
	switch value.(type) {
	case nil:
	case *ast.Array, ast.Set:
		each(value, func(element ast.Value) {
			text, ok := element.(ast.String)
			if !ok {
				p.wrong(name, "a list of texts")
			}
			read = append(read, string(text))
		})
	default:
		p.wrong(name, "a list of texts")
	}
	return read
}

// cost reads a number of what a request spends.
func (p *parts) cost() *float64 {
	switch value := p.get("cost").(type) {
	case nil:
		return nil
	case ast.Number:
		if cost, ok := value.Float64(); ok && cost >= 0 && cost <= maxCost {
			return &cost
		}
	}
	p.wrong("cost", "a number from 0 to 1,000,000")
	return nil
}

// metadata reads an object into the fields of a Struct.
func (p *parts) metadata(name string) map[string]*structpb.Value {
	switch value := p.get(name).(type) {
	case nil:
	case ast.Object:
		s := toStruct(value, maxDepth)
		if s == nil {
			p.wrong(name, "an object of JSON values that nests no deeper than 24")
		}
		return s.GetFields()
	default:
		p.wrong(name, "an object")
	}
	return nil
}

// each visits the elements of a list or, in order, of a set.
func each(list ast.Value, visit func(ast.Value)) {
	switch list := list.(type) {
	case *ast.Array:
		list.Foreach(func(t *ast.Term) { visit(t.Value) })
	case ast.Set:
		list.Sorted().Foreach(func(t *ast.Term) { visit(t.Value) })
	}
}
