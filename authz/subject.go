package authz

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"

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
	scopes  bool // The scopes of the token, from wherever they stand in it.
}

// subjectOf returns what part of a request a term is.
func subjectOf(term *ast.Term) (s subject, why string) {
	ref, ok := term.Value.(ast.Ref)
	if !ok {
		return s, fmt.Sprintf("it computes with %s", kindOf(term))
	}
	steps := make([]string, 0, len(ref))
	for i, step := range ref[1:] {
		switch step := step.Value.(type) {
		case ast.String:
			steps = append(steps, string(step))
		case ast.Var:
			if i != len(ref)-2 {
				return s, "it looks into the elements of a list"
			}
			s.element = true
		default:
			return s, fmt.Sprintf("it reads %s", ref)
		}
	}
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
		why = unlikeHeader(s.name)
	case len(steps) == 3 && path == claims+"subject":
		s.of, s.path, s.textual = gateway.OfClaim, []string{"sub"}, true
	case len(steps) == 3 && path == claims+"issuer":
		s.of, s.path, s.textual = gateway.OfClaim, []string{"iss"}, true
	case len(steps) == 3 && path == claims+"scopes":
		s.of, s.scopes = gateway.OfClaim, true
		return s, ""
	case len(steps) > 3 && strings.HasPrefix(path, claims+"claims."):
		s.of, s.path = gateway.OfClaim, steps[3:]
	case len(steps) > 5 && steps[2] == envoy.MetadataJWT && steps[3] == envoy.MetadataJWTClaims:
		s.of, s.path = gateway.OfClaim, steps[4:]
	default:
		return s, fmt.Sprintf("it reads %s as a whole", ref)
	}
	for _, step := range s.path {
		if step == "" {
			return s, "it reads a claim without a name"
		}
	}
	if s.element && (s.of != gateway.OfClaim || s.textual) {
		return s, fmt.Sprintf("it looks into %s", ref)
	}
	return s, why
}

// unlikeHeader says why a header cannot be compared by Envoy as a policy would. Its matchers take "host" for the authority;
// cookies may be put together in another way than other headers; and what begins with a colon is no header of the client.
func unlikeHeader(name string) string {
	switch {
	case name == "" || name != strings.ToLower(name):
		return fmt.Sprintf("it reads the header %q, and names of headers are in lower case", name)
	case name == "host", name == "cookie", strings.HasPrefix(name, ":"), strings.HasPrefix(name, "x-envoy-"):
		return "it reads the header " + name
	}
	for i := range len(name) {
		if !isToken(name[i]) {
			return fmt.Sprintf("it reads the header %q", name)
		}
	}
	return ""
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

// wordOf returns an expression for texts of which a word, between white space, is the given one; empty where it is no word.
func wordOf(word string) string {
	if strings.ContainsFunc(word, unicode.IsSpace) {
		return ""
	}
	const space = `[\t\n\v\f\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]`
	return `(?s:(?:.*` + space + `)?` + quoteRegex(word) + `(?:` + space + `.*)?)`
}

// quoteRegex quotes for RE2, whose text must be UTF-8.
func quoteRegex(text string) string {
	var b strings.Builder
	for _, c := range text {
		if c < unicode.MaxASCII && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			fmt.Fprintf(&b, `\x{%x}`, c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// mostInstructions bounds an expression as Go compiles it. Envoy's compiler makes a few times as many of one.
const mostInstructions = 200

// wholeText returns an expression that holds of a text as a whole exactly where the given one is found in it. Go's and Envoy's
// expressions are the same RE2; what depends on tables of Unicode, which differ by version, is left out.
func wholeText(pattern string) (whole, why string) {
	const unlike = "it uses a regular expression that Envoy may read otherwise"
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", "it uses a regular expression that cannot be read"
	}
	if !portable(parsed) || strings.Contains(pattern, "(?<") || strings.Contains(pattern, `\Q`) || strings.Contains(pattern, "(?P") {
		return "", unlike
	}
	compiled, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(compiled.Inst) > mostInstructions {
		return "", "it uses a large regular expression"
	}
	return `(?s:.*)(?:` + pattern + `)(?s:.*)`, ""
}

// portable reports whether an expression means the same everywhere.
func portable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return false
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			low, high := re.Rune[i], re.Rune[i+1]
			if high > unicode.MaxASCII && (low > unicode.MaxASCII+1 || high != unicode.MaxRune) {
				return false
			}
		}
	case syntax.OpBeginLine, syntax.OpEndLine:
		return false
	}
	for _, sub := range re.Sub {
		if !portable(sub) {
			return false
		}
	}
	return true
}
