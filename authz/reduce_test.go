package authz_test

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/randrego"
)

// TestReducedPoliciesDecideAlike draws policies and requests, and lets the evaluator decide, and the predicate that the
// policy reduces to. A real Envoy does the same in e2e.
func TestReducedPoliciesDecideAlike(t *testing.T) {
	t.Parallel()
	native, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		source := randrego.Policy(t)
		r := publicRoute("r1", source)
		r.Public = false
		r.Ways = []gateway.Way{{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: "https://id.bank.test"}}}}
		r.Authorize[0].Policy.Data, r.Authorize[0].Parameters = randrego.Data(), randrego.Parameters()
		reduction := authz.NewReducer().Reduce(r.Authorize[0].Policy, r.Authorize[0].Parameters)
		table, faults := authz.Compile(revision(r), nil)
		if len(faults) > 0 {
			t.Skip("no such policy")
		}
		if reduction.Native == nil {
			return
		}
		native++
		service := newService(patient)
		service.Use(table)
		for range 30 {
			request := randrego.Draw(t)
			request.Claims["iss"] = "https://id.bank.test"
			answer, err := service.Check(t.Context(), drawnCheck(t, &request))
			if err != nil {
				t.Fatal(err)
			}
			want := answer.GetOkResponse() != nil
			if got := holds(reduction.Native, &request); got != want && (got || !request.Odd()) {
				t.Fatalf("the policy\n%s\ndecides %t and its predicate %t of\n%+v\n%s", source, want, got, request, shown(reduction.Native))
			}
			if !want {
				refused++
			}
		}
	})
	t.Logf("%d policies reduced, %d requests refused", native, refused)
	if native == 0 || refused == 0 {
		t.Errorf("%d policies reduced and %d requests refused: this test tries too little", native, refused)
	}
}

func shown(p *gateway.Predicate) string {
	text, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// drawnCheck is what Envoy would ask about a request.
func drawnCheck(t interface{ Fatal(args ...any) }, r *randrego.Request) *authv3.CheckRequest {
	check := checkOf("r1")
	headers := map[string]string{":method": r.Method, ":path": r.Path, ":authority": r.Host}
	for name := range lines(r) {
		headers[name] = written(joined(r, name))
	}
	check.Attributes.Source = &authv3.AttributeContext_Peer{Principal: principal(r), Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: r.Peer},
	}}}
	check.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Method: r.Method, Path: r.Path, Host: r.Host, Headers: headers,
	}}
	claims, err := structpb.NewStruct(r.Claims)
	if err != nil {
		t.Fatal(err)
	}
	metadata := &structpb.Struct{Fields: map[string]*structpb.Value{envoy.MetadataJWTClaims: structpb.NewStructValue(claims)}}
	check.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{envoy.MetadataJWT: metadata}}
	return check
}

func lines(r *randrego.Request) map[string][]string {
	out := map[string][]string{":method": {r.Method}, ":path": {r.Path}, ":authority": {r.Host}}
	for _, h := range r.Headers {
		name := strings.ToLower(h[0])
		out[name] = append(out[name], h[1])
	}
	return out
}

// joined returns all values of a header as Envoy joins them.
func joined(r *randrego.Request, name string) string {
	separator := ","
	if name == "cookie" {
		separator = "; "
	}
	return strings.Join(lines(r)[name], separator)
}

// written returns a text as Envoy writes it into a message: an exclamation mark stands for each byte that is no UTF-8.
func written(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		c, size := utf8.DecodeRuneInString(text)
		if c == utf8.RuneError && size == 1 {
			c = '!'
		}
		out.WriteRune(c)
		text = text[size:]
	}
	return out.String()
}

// principal is whom the certificate of a request names.
func principal(r *randrego.Request) string {
	if r.Shown == "" {
		return ""
	}
	return randrego.Certificates()[r.Shown].Principal()
}

// holds decides by a predicate as Envoy does.
func holds(p *gateway.Predicate, r *randrego.Request) bool {
	switch {
	case p.Never:
		return false
	case p.Not != nil:
		return !holds(p.Not, r)
	case p.Test != nil:
		return fits(p.Test, r)
	case len(p.Any) > 0:
		return slices.ContainsFunc(p.Any, func(p gateway.Predicate) bool { return holds(&p, r) })
	}
	return !slices.ContainsFunc(p.All, func(p gateway.Predicate) bool { return !holds(&p, r) })
}

func fits(test *gateway.Test, r *randrego.Request) bool {
	value, ok := found(test, r)
	if !ok {
		return false
	}
	one := func(value any, compare func(value, with string) bool) bool {
		return slices.ContainsFunc(test.Values, func(with any) bool {
			a, ok := value.(string)
			b, also := with.(string)
			if ok && also {
				return compare(a, b)
			}
			if n, ok := value.(int); ok {
				value = float64(n)
			}
			_, list := value.([]any)
			_, object := value.(map[string]any)
			return test.Op != gateway.OpPrefix && test.Op != gateway.OpSuffix && test.Op != gateway.OpContains && test.Op != gateway.OpRegex &&
				!list && !object && value == with
		})
	}
	same := func(a, b string) bool { return a == b }
	switch test.Op {
	case gateway.OpPresent:
		return true
	case gateway.OpEquals:
		return one(value, same)
	case gateway.OpPrefix:
		return one(value, strings.HasPrefix)
	case gateway.OpSuffix:
		return one(value, strings.HasSuffix)
	case gateway.OpContains:
		return one(value, strings.Contains)
	case gateway.OpRegex:
		return one(value, func(text, pattern string) bool {
			return regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(eachByte(text))
		})
	case gateway.OpWithin:
		return one(value, func(address, network string) bool {
			return netip.MustParsePrefix(network).Contains(netip.MustParseAddr(address))
		})
	case gateway.OpIncludes:
		list, _ := value.([]any)
		return slices.ContainsFunc(list, func(v any) bool { return one(v, same) })
	}
	return false
}

// found returns the attribute that a test looks at.
func found(test *gateway.Test, r *randrego.Request) (value any, ok bool) {
	switch test.Of {
	case gateway.OfMethod:
		return r.Method, true
	case gateway.OfTarget:
		return r.Path, true
	case gateway.OfHost:
		return r.Host, true
	case gateway.OfHeader:
		return joined(r, test.Name), lines(r)[test.Name] != nil
	case gateway.OfAddress:
		return r.Peer, true
	case gateway.OfPrincipal:
		return principal(r), r.Shown != ""
	case gateway.OfClaim:
		value = r.Claims
		for _, step := range test.Path {
			object, _ := value.(map[string]any)
			if value, ok = object[step]; !ok {
				return nil, false
			}
		}
		return value, true
	}
	return nil, false
}

// eachByte returns a text with a character for each byte, as Envoy's expressions are over bytes.
func eachByte(text string) string {
	var out []rune
	for i := range len(text) {
		out = append(out, rune(text[i]))
	}
	return string(out)
}
