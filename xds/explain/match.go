package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// miss is a route that does not match, and all that differs.
type miss struct {
	route   *gateway.Route
	differs []string
}

// maxNearest bounds how many candidates are told where nothing matches.
const maxNearest = 5

// differs returns all that keeps a match from holding. What the request has is left out of it: it may be a secret.
func (r request) differs(m *gateway.Match) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !m.Path.Matches(r.path) {
		add("path %s is not %s", r.path, m.Path)
	}
	if len(m.Methods) > 0 && !slices.Contains(m.Methods, r.method) {
		add("method %s is not %s", r.method, strings.Join(m.Methods, " or "))
	}
	test := func(what string, conditions []gateway.Condition, values func(string) []string) {
		for _, c := range conditions {
			if !c.HoldsFor(values(c.Name)) {
				add("%s %s is not as asked: it must be one that %s", what, c.Name, c)
			}
		}
	}
	test("header", m.Headers, r.headers.Values)
	test("cookie", m.Cookies, func(name string) []string { return first(r.cookies, name) })
	test("query parameter", m.Query, func(name string) []string { return first(r.query, name) })
	return out
}

// first returns the one value of a name that counts, or none.
func first(values map[string]string, name string) []string {
	if v, ok := values[name]; ok {
		return []string{v}
	}
	return nil
}

// passedOver returns the first of the routes that come before the one that answers.
func passedOver(missed []miss) []Rejected {
	var out []Rejected
	for _, m := range missed[:min(len(missed), maxRejected)] {
		out = append(out, Rejected{Route: m.route.Name, Why: m.differs[0]})
	}
	return out
}

// nearest returns the routes that come nearest to a request that nothing matches, and all that differs: first those whose path is
// right, then those whose paths begin alike.
func (r request) nearest(missed []miss) []Rejected {
	alike := func(m miss) int {
		if m.route.Match.Path.Matches(r.path) {
			return len(r.path) + 1
		}
		return common(m.route.Match.Path.Shape(), r.path)
	}
	sorted := slices.Clone(missed)
	slices.SortStableFunc(sorted, func(a, b miss) int {
		return cmp.Or(cmp.Compare(alike(b), alike(a)), cmp.Compare(len(a.differs), len(b.differs)))
	})
	var out []Rejected
	for _, m := range sorted[:min(len(sorted), maxNearest)] {
		out = append(out, Rejected{Route: m.route.Name, Why: strings.Join(m.differs, "; ")})
	}
	return out
}

// common counts the bytes with which two texts begin alike.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
