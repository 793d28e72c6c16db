package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// subject is a part of a request that Envoy can compare.
type subject struct {
	of   gateway.Attribute
	name string
	path []string
	// textual says that Gatehouse leaves it out of the input where it is empty or no text.
	textual bool
	element bool // Any element of the list that it is.
	whole   bool // All claims of the token.
	scopes  bool // The scopes of the token, from wherever they stand in it.
}

// subjectOf returns what part of a request a term is.
func subjectOf(term *ast.Term) (s subject, why string) {
	ref, ok := term.Value.(ast.Ref)
	if !ok {
		return s, fmt.Sprintf("it computes with %s", kindOf(term))
	}
	steps, element, why := stepsOf(ref)
	if why != "" {
		return s, why
	}
	s.element = element
	if !ref.HasPrefix(ast.InputRootRef) {
		return s, fmt.Sprintf("it looks up %s by what the request says", ref[0])
	}
	const request, claims = "attributes.request.http.", "gatehouse.identity."
	switch path := strings.Join(steps, "."); {
	case len(steps) == 4 && path == request+"method":
		s.of, s.textual = gateway.OfMethod, true
	case len(steps) == 4 && path == request+"path":
		s.of, s.textual = gateway.OfTarget, true
	case len(steps) == 4 && path == request+"host":
		s.of, s.textual = gateway.OfHost, true
	case len(steps) == 5 && strings.HasPrefix(path, request+"headers."):
		s.of, s.name = gateway.OfHeader, steps[4]
		if !headerName(s.name) {
			return s, fmt.Sprintf("it reads the header %s, and no header is spelt so", steps[4])
		}
	case path == "attributes.source.address.socketAddress.address":
		s.of, s.textual = gateway.OfAddress, true
	case path == "attributes.source.principal", path == "source_principal":
		s.of, s.textual = gateway.OfPrincipal, true
	case len(steps) == 3 && path == claims+"subject":
		s.of, s.path, s.textual = gateway.OfClaim, []string{"sub"}, true
	case len(steps) == 3 && path == claims+"issuer":
		s.of, s.path, s.textual = gateway.OfClaim, []string{"iss"}, true
	case len(steps) == 3 && path == claims+"scopes":
		s.of, s.scopes = gateway.OfClaim, true
		return s, ""
	case len(steps) == 3 && path == claims+"claims", len(steps) == 4 && steps[2] == envoy.MetadataJWT && steps[3] == envoy.MetadataJWTClaims:
		s.of, s.whole = gateway.OfClaim, true
	case len(steps) > 3 && strings.HasPrefix(path, claims+"claims."):
		s.of, s.path = gateway.OfClaim, steps[3:]
	case len(steps) > 5 && steps[2] == envoy.MetadataJWT && steps[3] == envoy.MetadataJWTClaims:
		s.of, s.path = gateway.OfClaim, steps[4:]
	default:
		return s, fmt.Sprintf("it reads %s as a whole", ref)
	}
	if slices.Contains(s.path, "") {
		return s, "it reads a claim without a name"
	}
	if s.element && (s.of != gateway.OfClaim || s.textual || s.whole) {
		return s, fmt.Sprintf("it looks into %s", ref)
	}
	return s, ""
}

// stepsOf returns the names by which a reference goes on from its head, and whether it ends at any element of a list.
func stepsOf(ref ast.Ref) (steps []string, element bool, why string) {
	steps = make([]string, 0, len(ref))
	for i, step := range ref[1:] {
		switch step := step.Value.(type) {
		case ast.String:
			steps = append(steps, string(step))
		case ast.Var:
			if i != len(ref)-2 {
				return nil, false, "it looks into the elements of a list"
			}
			element = true
		default:
			return nil, false, fmt.Sprintf("it reads %s", ref)
		}
	}
	return steps, element, ""
}

// headerName reports whether a header may have a name: as Envoy spells it, in lower case (RFC 9110, section 5.1).
func headerName(name string) bool {
	name = strings.TrimPrefix(name, ":")
	for i := range len(name) {
		if !isToken(name[i]) || 'A' <= name[i] && name[i] <= 'Z' {
			return false
		}
	}
	return name != ""
}

// words names the subject.
func (s *subject) words() string {
	switch s.of {
	case gateway.OfHeader:
		return "the header " + s.name
	case gateway.OfAddress:
		return "the peer's address"
	}
	return "whom the client's certificate names"
}

func kindOf(term *ast.Term) string {
	if call, ok := term.Value.(ast.Call); ok {
		return call[0].String()
	}
	return "a " + ast.ValueName(term.Value)
}

// scalars returns a constant text, number or boolean, or the elements of a constant list of such.
func scalars(term *ast.Term) (values []any, why string) {
	switch term.Value.(type) {
	case *ast.Array, ast.Set:
		each(term.Value, func(v ast.Value) {
			value, wrong := scalar(ast.NewTerm(v))
			if wrong != "" {
				why = wrong
			}
			values = append(values, value)
		})
		return values, why
	}
	value, why := scalar(term)
	return []any{value}, why
}

// scalar returns a constant text, boolean or integer. Other numbers have more than one spelling, and more digits than Envoy's.
func scalar(term *ast.Term) (any, string) {
	switch v := term.Value.(type) {
	case ast.String:
		return string(v), ""
	case ast.Boolean:
		return bool(v), ""
	case ast.Number:
		if n, ok := v.Int64(); ok && n <= maxExact && n >= -maxExact {
			return float64(n), ""
		}
		return nil, "it compares with a number that is no small integer"
	case ast.Ref, ast.Call:
		return nil, "it compares two parts of the request"
	}
	return nil, fmt.Sprintf("it compares with a %s", ast.ValueName(term.Value))
}

// onlyTexts returns the texts among values, without the empty one where what is empty is not there.
func onlyTexts(values []any, empty bool) []any {
	var list []any
	for _, v := range values {
		if text, ok := v.(string); ok && (text != "" || empty) {
			list = append(list, v)
		}
	}
	return list
}
