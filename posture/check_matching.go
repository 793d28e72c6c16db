package posture

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// unreachable finds routes behind others that take all their requests: by an expression below a prefix that is longer than the base,
// and by the same path where what comes first asks for nothing that the other does not.
func unreachable(r *review) {
	takers, alike := map[string][]*gateway.Route{}, map[string][]*gateway.Route{}
	for route := range r.forwarding {
		if p := route.Match.Path; p.Prefix && !route.Match.Conditional() && len(p.Segments) == strings.Count(p.Literal(), "/") {
			takers[route.Gateway.Name+p.Literal()] = append(takers[route.Gateway.Name+p.Literal()], route)
		}
		key := route.Gateway.Name + "\x00" + route.Match.Path.Shape()
		alike[key] = append(alike[key], route)
	}
	for route, api := range r.forwarding {
		before := alike[route.Gateway.Name+"\x00"+route.Match.Path.Shape()]
		if route.Match.Path.Regex != "" {
			for at := certain(route.Match.Path); at != ""; at = at[:strings.LastIndexByte(at, '/')] {
				before = append(slices.Clip(before), takers[route.Gateway.Name+at]...)
			}
		}
		for _, first := range before {
			if first != route && gateway.ComparePrecedence(first, route) < 0 && takes(first, route) {
				r.api(api, r.said(api, route, "match", func(*gateway.Operation) bool { return true }), "%s (%s) is never reached: %s (%s) takes all its requests",
					route.Name, route.Match.Path, first.Name, first.Match.Path)
				break
			}
		}
	}
}

// certain returns the whole segments with which every path of an expression begins.
func certain(p gateway.Path) string {
	re, err := regexp.Compile(p.Regex)
	if err != nil {
		return ""
	}
	prefix, whole := re.LiteralPrefix()
	if !whole {
		prefix = prefix[:max(strings.LastIndexByte(prefix, '/'), 0)]
	}
	return p.Literal() + prefix
}

// takes reports whether a route with a path that covers another's takes all its requests.
func takes(first, other *gateway.Route) bool {
	hosts := !slices.ContainsFunc(other.Hosts, func(h string) bool {
		return !slices.Contains(first.Hosts, h)
	})
	methods := len(first.Match.Methods) == 0 || len(other.Match.Methods) > 0 && !slices.ContainsFunc(other.Match.Methods, func(m string) bool {
		return !slices.Contains(first.Match.Methods, m)
	})
	asks := func(first, other []gateway.Condition) bool {
		return slices.ContainsFunc(first, func(c gateway.Condition) bool {
			return !slices.ContainsFunc(other, func(o gateway.Condition) bool { return implies(o, c) })
		})
	}
	a, b := &first.Match, &other.Match
	return hosts && methods && !asks(a.Headers, b.Headers) && !asks(a.Cookies, b.Cookies) && !asks(a.Query, b.Query)
}

// implies reports whether whatever meets a condition meets another one too.
func implies(narrow, wide gateway.Condition) bool {
	switch {
	case narrow.Name != wide.Name:
		return false
	case narrow == wide:
		return true
	case narrow.How == gateway.ByAbsence || narrow.How == gateway.ByDefault:
		return false
	case wide.How == gateway.ByValue && wide.Value == "":
		return true
	case narrow.How == gateway.ByValue && narrow.Value != "":
		return wide.Holds(narrow.Value)
	}
	return narrow.How == gateway.ByPrefix && wide.How == gateway.ByPrefix && strings.HasPrefix(narrow.Value, wide.Value)
}

// tied finds operations of an API on one path that some requests match alike, so that only the spelling of their conditions decides.
func tied(r *review) {
	for _, api := range r.Revision.APIs {
		for i := range api.Operations {
			for k := range i {
				a, b := &api.Operations[k], &api.Operations[i]
				if a.Match.Path.Shape() != b.Match.Path.Shape() || !methodsMeet(a.Match.Methods, b.Match.Methods) || !a.Match.Conditional() || !b.Match.Conditional() {
					continue
				}
				if gateway.Tied(&a.Match, &b.Match) && !apart(&a.Match, &b.Match) {
					r.api(api, b.Field, "%s and %s (%s) match some requests alike, by different conditions", a.ID, b.ID, b.Match.Path)
					break
				}
			}
		}
	}
}

// apart reports whether no request can meet the conditions of both.
func apart(a, b *gateway.Match) bool {
	excluded := func(x, y []gateway.Condition) bool {
		return slices.ContainsFunc(x, func(c gateway.Condition) bool {
			return slices.ContainsFunc(y, func(o gateway.Condition) bool { return c.Name == o.Name && excludes(c, o) })
		})
	}
	return excluded(a.Headers, b.Headers) || excluded(a.Cookies, b.Cookies) || excluded(a.Query, b.Query)
}

// excludes reports whether no one value meets both conditions. Of two expressions nobody knows: they are taken to meet.
func excludes(a, b gateway.Condition) bool {
	exact := func(c gateway.Condition) bool { return c.How == gateway.ByValue && c.Value != "" }
	switch {
	case a.How == gateway.ByAbsence || b.How == gateway.ByAbsence:
		return a.How != b.How
	case exact(a):
		return !b.Holds(a.Value)
	case exact(b):
		return !a.Holds(b.Value)
	}
	return a.How == gateway.ByPrefix && b.How == gateway.ByPrefix && !strings.HasPrefix(a.Value, b.Value) && !strings.HasPrefix(b.Value, a.Value)
}
