package authz

import (
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
)

// build makes one part of the input document from a part of the request; nil leaves the part out.
type build[T any] func(from T) *ast.Term

// field is a named part of an object of the input document. build is called at compile time, and only for needed fields.
type field[T any] struct {
	name  string
	build func(*need) build[T]
}

// object returns a builder for an object with the needed ones of the fields.
func object[T any](n *need, fields ...field[T]) build[T] {
	type part struct {
		key   *ast.Term
		build build[T]
	}
	var parts []part
	for _, f := range fields {
		if sub := n.at(f.name); sub != nil {
			parts = append(parts, part{key: ast.StringTerm(f.name), build: f.build(sub)})
		}
	}
	return func(from T) *ast.Term {
		pairs := make([][2]*ast.Term, 0, len(parts))
		for _, p := range parts {
			if term := p.build(from); term != nil {
				pairs = append(pairs, [2]*ast.Term{p.key, term})
			}
		}
		return ast.ObjectTerm(pairs...)
	}
}

// leaf is a field that is built whole, whichever part of it is needed.
func leaf[T any](name string, b build[T]) field[T] {
	return field[T]{name, func(*need) build[T] { return b }}
}

// text is a field that holds a string, and is left out where that is empty, as protojson does.
func text[T any](name string, get func(T) string) field[T] {
	return leaf(name, func(from T) *ast.Term {
		if s := get(from); s != "" {
			return ast.StringTerm(s)
		}
		return nil
	})
}

// message is a field that holds an object made from a message, and is left out where there is none.
func message[T any, M any](name string, get func(T) *M, fields ...field[*M]) field[T] {
	return field[T]{name, func(n *need) build[T] {
		b := object(n, fields...)
		return func(from T) *ast.Term {
			if m := get(from); m != nil {
				return b(m)
			}
			return nil
		}
	}}
}

// dictionary is a field that holds a map, of which only the needed keys are built; left out where the map is empty.
func dictionary[T, V any](name string, get func(T) map[string]V, value func(*need) build[V]) field[T] {
	return field[T]{name, func(n *need) build[T] {
		b := entries(n, value)
		return func(from T) *ast.Term {
			if m := get(from); len(m) > 0 {
				return b(m)
			}
			return nil
		}
	}}
}

// texts is a dictionary of strings.
func texts[T any](name string, get func(T) map[string]string) field[T] {
	return dictionary(name, get, func(*need) build[string] { return ast.StringTerm })
}

// entries returns a builder for the needed entries of a map.
func entries[V any](n *need, value func(*need) build[V]) build[map[string]V] {
	if n.all {
		b := value(n)
		return func(m map[string]V) *ast.Term {
			pairs := make([][2]*ast.Term, 0, len(m))
			for k, v := range m {
				pairs = append(pairs, [2]*ast.Term{ast.StringTerm(k), b(v)})
			}
			return ast.ObjectTerm(pairs...)
		}
	}
	type part struct {
		name  string
		key   *ast.Term
		build build[V]
	}
	var parts []part
	for name, sub := range n.parts {
		parts = append(parts, part{name, ast.StringTerm(name), value(sub)})
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].name < parts[j].name })
	return func(m map[string]V) *ast.Term {
		pairs := make([][2]*ast.Term, 0, len(parts))
		for _, p := range parts {
			if v, ok := m[p.name]; ok {
				pairs = append(pairs, [2]*ast.Term{p.key, p.build(v)})
			}
		}
		return ast.ObjectTerm(pairs...)
	}
}
