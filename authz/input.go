package authz

import (
	"net/url"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputBuilder returns what makes the input document of a policy: the parts opa-envoy-plugin's users know, and gatehouse.
// Parts that the policy never refers to are not made.
func inputBuilder(n *need) build[*request] {
	return object(n, append(pluginFields(), field[*request]{"gatehouse", gatehouseBuilder})...)
}

// pluginFields are the parts that opa-envoy-plugin defines.
func pluginFields() []field[*request] {
	version := ast.ObjectTerm(
		[2]*ast.Term{ast.StringTerm("encoding"), ast.StringTerm("protojson")},
		[2]*ast.Term{ast.StringTerm("ext_authz"), ast.StringTerm("v3")},
	)
	return []field[*request]{
		attributesField(),
		leaf("parsed_path", parsedPath),
		leaf("parsed_query", parsedQuery),
		leaf("parsed_body", func(r *request) *ast.Term { return r.readBody().term }),
		leaf("truncated_body", func(r *request) *ast.Term { return ast.InternedTerm(r.readBody().truncated) }),
		leaf("version", func(*request) *ast.Term { return version }),
		text("source_principal", func(r *request) string { return r.attributes.GetSource().GetPrincipal() }),
	}
}

// gatehouseBuilder returns what makes input.gatehouse: what Gatehouse knows about the request beyond what Envoy sent.
func gatehouseBuilder(n *need) build[*request] {
	return object(n,
		leaf("api", func(r *request) *ast.Term { return r.rules.terms.api }),
		leaf("version", func(r *request) *ast.Term { return r.rules.terms.version }),
		leaf("operation", func(r *request) *ast.Term { return r.rules.terms.operation }),
		leaf("rules", func(r *request) *ast.Term { return r.rules.terms.rules }),
		leaf("path", pathParameters),
		leaf("contract", func(r *request) *ast.Term { return r.rules.terms.contract }),
		leaf("parameters", func(r *request) *ast.Term { return r.parameters }),
		message("identity", func(r *request) *identity { return r.identity },
			text("issuer", func(id *identity) string { return id.issuer }),
			text("subject", func(id *identity) string { return id.text("sub") }),
			leaf("scopes", func(id *identity) *ast.Term {
				var terms []*ast.Term
				for scope := range id.scopes() {
					terms = append(terms, ast.StringTerm(scope))
				}
				return ast.ArrayTerm(terms...)
			}),
			field[*identity]{"claims", func(n *need) build[*identity] {
				b := structure(n)
				return func(id *identity) *ast.Term { return b(id.claims) }
			}},
		),
	)
}

// pathParameters splits the path by the route's template. A value is percent-decoded, as the upstream will see it.
func pathParameters(r *request) *ast.Term {
	if r.rules.path.Regex != "" { // It names no parameters.
		return ast.ObjectTerm()
	}
	path, _ := r.splitPath()
	values, _ := r.rules.path.Parameters(path)
	pairs := make([][2]*ast.Term, 0, len(values))
	for name, value := range values {
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.StringTerm(value)})
	}
	return ast.ObjectTerm(pairs...)
}
