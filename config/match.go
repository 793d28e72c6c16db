package config

import (
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// matchFields say which requests are meant.
type matchFields struct {
	pathFields       `yaml:",inline"`
	conditionsFields `yaml:",inline"`
}

// pathFields are what an operation is told by.
type pathFields struct {
	Method    method        `yaml:"method" doc:"The method. Every method where neither method nor methods is said."`
	Methods   []method      `yaml:"methods" order:"none" jsonschema:"minItems=1" doc:"Several methods."`
	Path      *pathTemplate `yaml:"path" doc:"The path: literal segments, {name} for one segment, /** at the end for everything below. A literal segment matches as it is spelt; /me%3Apay and /me;x=1 are taken by /{id}, not by /me:pay and /me, so protect /{id} as well where the upstream takes them for the same."`
	PathRegex *pathRegex    `yaml:"path-regex" doc:"A regular expression (RE2) that begins with a slash, and that the whole path must match."`
}

// conditionsFields are what a request must have beside them.
type conditionsFields struct {
	Headers map[string]matchConditionFields `yaml:"headers" doc:"Headers that the request must have, or must not. Of a header on several lines, one that is as asked will do."`
	Cookies map[string]matchConditionFields `yaml:"cookies" doc:"Cookies that the request must have, or must not. The first of each name counts."`
	Query   map[string]matchConditionFields `yaml:"query" doc:"Query parameters that the request must have, or must not. The first value of each counts, and nothing is decoded: a=%62 is not a=b. So a condition tells requests apart and protects nothing, as an upstream may read them otherwise."`
}

// matches reports whether anything is said about which requests are meant.
func (m *matchFields) matches() bool {
	return m.Method != "" || m.Methods != nil || m.Path != nil || m.PathRegex != nil || m.Headers != nil || m.Cookies != nil || m.Query != nil
}

// match builds the match; without a path it is open to every path, which is a fault for an operation. Both arguments are
// fields: of method and path, and of the conditions.
func (m *matchFields) match(o *object, field, conditioned string) gateway.Match {
	out := gateway.Match{
		Methods: texts(m.Methods),
		Headers: matchConditions(o, join(conditioned, "headers"), m.Headers, "header"),
		Cookies: matchConditions(o, join(conditioned, "cookies"), m.Cookies, "cookie"),
		Query:   matchConditions(o, join(conditioned, "query"), m.Query, "query parameter"),
	}
	if m.Method != "" {
		if m.Methods != nil {
			o.fault(gateway.CodeConflict, join(field, "methods"), "method and methods exclude one another: keep methods")
		}
		out.Methods = append(out.Methods, string(m.Method))
	}
	slices.Sort(out.Methods)
	out.Methods = slices.Compact(out.Methods)
	switch {
	case m.Path != nil && m.PathRegex != nil:
		o.fault(gateway.CodeConflict, join(field, "path-regex"), "path and path-regex exclude one another: keep one")
	case m.Path != nil:
		out.Path = m.Path.Path
	case m.PathRegex != nil:
		out.Path = m.PathRegex.Path
	default:
		out.Path = gateway.Path{Prefix: true}
	}
	return out
}
