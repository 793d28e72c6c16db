package authz

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// dataFiles are the contents of files of data as values, by their hash. They are made once for all policies that read them and
// for all tables that need them: a change of a policy's text takes no second copy of its data.
type dataFiles struct {
	mu     sync.Mutex
	before map[string]ast.Value // Of the table before.
	values map[string]ast.Value
}

// value returns the content of a file.
func (d *dataFiles) value(f gateway.DataFile) (ast.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v := d.values[f.Sum]; v != nil {
		return v, nil
	}
	v := d.before[f.Sum]
	if v == nil {
		term, err := jsonTerm(f.JSON)
		if err != nil {
			return nil, fmt.Errorf("the data file %s cannot be read: %w", f.File, err)
		}
		v = term.Value
	}
	d.values[f.Sum] = v
	return v, nil
}

// of returns the data of a policy: what its document says, its files, and the same of all that it imports.
func (d *dataFiles) of(p *gateway.Policy) (ast.Object, error) {
	tree := map[string]any{}
	for _, one := range append([]*gateway.Policy{p}, p.Imported...) {
		for name, value := range one.Data {
			if err := graft(tree, []string{name}, value); err != nil {
				return nil, err
			}
		}
		for _, f := range one.DataFiles {
			value, err := d.value(f)
			if err != nil {
				return nil, err
			}
			if err := graft(tree, strings.Split(f.At, "."), value); err != nil {
				return nil, err
			}
		}
	}
	return treeObject(tree)
}

// graft puts a value into a tree of data. Mappings become one; anything else that stands there already is an error.
func graft(tree map[string]any, path []string, value any) error {
	name, rest := path[0], path[1:]
	there, taken := tree[name]
	old, isTree := there.(map[string]any)
	more, isToo := value.(map[string]any)
	if taken && (!isTree || len(rest) == 0 && !isToo) {
		return fmt.Errorf("data.%s is given twice: give each part of the data one place", name)
	}
	if !taken && len(rest) == 0 {
		tree[name] = value
		return nil
	}
	inner := make(map[string]any, len(old)+1) // The old one may be the document's own.
	maps.Copy(inner, old)
	tree[name] = inner
	if len(rest) > 0 {
		return graft(inner, rest, value)
	}
	for key, v := range more {
		if err := graft(inner, []string{key}, v); err != nil {
			return err
		}
	}
	return nil
}

// treeObject returns a tree as a value. Of its leaves some are values already.
func treeObject(tree map[string]any) (ast.Object, error) {
	pairs := make([][2]*ast.Term, 0, len(tree))
	for name, value := range tree {
		var (
			v   ast.Value
			err error
		)
		switch value := value.(type) {
		case ast.Value:
			v = value
		case map[string]any:
			v, err = treeObject(value)
		default:
			v, err = ast.InterfaceToValue(value)
		}
		if err != nil {
			return nil, fmt.Errorf("the policy's data is not JSON: %w", err)
		}
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(v)})
	}
	return ast.NewObject(pairs...), nil
}
