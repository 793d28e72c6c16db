package authz

import (
	"fmt"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// rules is what one route is decided by.
type rules struct {
	hash, api, version, operation string

	terms     ruleTerms
	path      gateway.Path
	public    bool
	ways      []way
	hidden    *hidden
	challenge string // WWW-Authenticate where nothing is shown.
	policies  []applied
	secrets   *secrets              // That no record holds.
	full      bool                  // Records hold the input.
	tells     bool                  // Answers tell the upstream who calls.
	allowed   *authv3.CheckResponse // The answer where every policy allows and changes nothing; sent many times.
	spends    *spends               // nil: the route has no limits.
}

// ruleTerms are the parts of the input document that are the same for every request of a route.
type ruleTerms struct{ api, version, operation, rules, contract *ast.Term }

// applied is a policy with the parameters by which a route applies it.
type applied struct {
	*policy
	name       string
	parameters *ast.Term
	platform   bool // The Gateway's.
	mode       gateway.Mode
	percent    float64 // Of requests for which it counts; 0: all.
}

// contractTerm returns what the contract says of an operation, scopes as a list of lists; nil where it says nothing.
func contractTerm(requirements [][]string) *ast.Term {
	if requirements == nil {
		return nil
	}
	lists := make([]*ast.Term, len(requirements))
	for i, scopes := range requirements {
		terms := make([]*ast.Term, len(scopes))
		for j, scope := range scopes {
			terms[j] = ast.StringTerm(scope)
		}
		lists[i] = ast.ArrayTerm(terms...)
	}
	return ast.ObjectTerm([2]*ast.Term{ast.StringTerm("scopes"), ast.ArrayTerm(lists...)})
}

// newRules returns the rules of a route. They are nil where a policy is missing, because it did not compile.
func newRules(route *gateway.Route, compiled map[*gateway.Policy]*policy) (*rules, error) {
	r := &rules{
		hash: route.Rules, api: route.API, version: route.Version, operation: route.Operation,
		terms: ruleTerms{
			api: ast.StringTerm(route.API), version: ast.StringTerm(route.Version),
			operation: ast.StringTerm(route.Operation), rules: ast.StringTerm(route.Rules),
			contract: contractTerm(route.ContractScopes),
		},
		secrets: secretsOf(route), full: route.Decisions == gateway.RecordedFull, path: route.Match.Path, public: route.Public, allowed: allowPlain(route.Rules), spends: newSpends(route),
	}
	realm := route.API
	if route.Object.Kind == gateway.KindRoute {
		realm = route.Operation
	}
	r.challenge, r.ways, r.hidden = challenges(realm, route.Ways), newWays(route.Ways, realm), hiddenOf(route.Ways)
	r.allowed.GetOkResponse().HeadersToRemove = r.hidden.headers
	r.tells = !route.EnvoyTells()
	for _, a := range route.Authorize {
		if a.Mode == gateway.Off {
			continue
		}
		p := compiled[a.Policy]
		if p == nil {
			return nil, nil
		}
		parameters, err := toObject(a.Parameters)
		if err != nil {
			return nil, fmt.Errorf("the parameters of policy %s are not JSON: %w", a.Policy.Name, err)
		}
		r.policies = append(r.policies, applied{p, a.Policy.Name, ast.NewTerm(parameters), a.Platform, a.Mode, a.Percent})
	}
	return r, nil
}
