package gateway_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// crossed are documents of an API whose operations differ in the pages that may call them.
func crossed(t *testing.T, api gateway.Shaping, operations ...gateway.Operation) (*gateway.Revision, gateway.Faults) {
	t.Helper()
	for i := range operations {
		operations[i].Field = operations[i].ID
	}
	return gateway.Assemble(&gateway.Documents{
		Gateways: []*gateway.Gateway{{
			Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "::1", Port: 8080, Hosts: []string{"*"}}},
			Shaping: gateway.Shaping{MaxBody: new(int64(100)), Addresses: &gateway.AddressLists{Deny: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		}},
		Upstreams: []*gateway.Upstream{{Name: "u", Endpoints: []gateway.Endpoint{{Address: "127.0.0.1:1"}}, Protocol: gateway.HTTP1}},
		APIs: []*gateway.API{{
			Kind: gateway.KindAPI, Name: "a", Version: "v1", Unlisted: gateway.Refuse, Expose: []gateway.Exposure{{Gateway: "edge"}},
			To: []gateway.Destination{{Upstream: "u", Weight: 1}}, Authenticate: &gateway.Authenticate{None: true}, Shaping: api, Operations: operations,
		}},
	}, nil)
}

func operation(t *testing.T, id, path string, cors *gateway.CORS, methods ...string) gateway.Operation {
	t.Helper()
	p, err := gateway.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return gateway.Operation{ID: id, Match: gateway.Match{Methods: methods, Path: p}, Shaping: gateway.Shaping{CORS: cors}}
}

// TestPreflights holds which routes preflights get: one for a path where all its operations say the same, else one for each method
// that may be called, and none where nobody may or an operation takes OPTIONS itself.
func TestPreflights(t *testing.T) {
	t.Parallel()
	own := &gateway.CORS{Origins: []string{"https://own.test"}}
	rev, faults := crossed(t, gateway.Shaping{CORS: &gateway.CORS{Origins: []string{"https://api.test"}}},
		operation(t, "get", "/one", nil, "GET"), operation(t, "put", "/one", nil, "PUT"),
		operation(t, "read", "/two", nil, "GET"), operation(t, "write", "/two", own, "PUT", "POST"), operation(t, "drop", "/two", &gateway.CORS{}, "DELETE"),
		operation(t, "silent", "/three", &gateway.CORS{}, "GET"),
		operation(t, "itself", "/four", nil, "OPTIONS", "GET"), operation(t, "every", "/five", nil),
	)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var got []string
	for _, r := range rev.Routes {
		if r.Action == gateway.ActionPreflight {
			got = append(got, r.Match.Path.String()+" "+r.Match.Headers[1].Value+" "+strings.Join(r.Shaping.CORS.Origins, ""))
			if !slices.Equal(r.Match.Methods, []string{"OPTIONS"}) || len(r.Targets) != 1 || r.Shaping.MaxBody != nil || r.Shaping.Addresses == nil {
				t.Errorf("a preflight's route: %+v", r)
			}
		} else if r.Action != gateway.ActionForward && r.Shaping.CORS != nil {
			t.Errorf("%s has rules for pages, which Envoy would not hold", r.Name)
		}
	}
	slices.Sort(got)
	want := []string{"/one  https://api.test", "/two GET https://api.test", "/two POST https://own.test", "/two PUT https://own.test"}
	if !slices.Equal(got, want) {
		t.Errorf("preflights %q, want %q", got, want)
	}
}

// TestShapingFaults holds what a route cannot do to its traffic.
func TestShapingFaults(t *testing.T) {
	t.Parallel()
	value := func(text string) gateway.Headers {
		parts, err := gateway.ParseHeaderValue(text)
		if err != nil {
			t.Fatal(err)
		}
		return gateway.Headers{Request: gateway.HeaderChanges{Set: []gateway.Header{{Name: "x-a", Value: parts}}}}
	}
	body, err := gateway.ParseBodyText("of {application}", false)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*gateway.Operation){
		"asks nobody":                      func(op *gateway.Operation) { op.Headers = value("{consumer}") },
		"no listener of Gateway edge asks": func(op *gateway.Operation) { op.Headers = value("{certificate.uri}") },
		"is about TLS":                     func(op *gateway.Operation) { op.Headers = value("{tls.version}") },
		"{application} tells who calls": func(op *gateway.Operation) {
			op.Shaping.Body = &gateway.BodyChanges{Request: &gateway.BodyChange{Fields: []gateway.BodyField{
				{Name: "a", Value: gateway.BodyValue{Object: []gateway.BodyField{{Name: "b", Value: gateway.BodyValue{Text: body}}}}},
			}}}
		},
		"speaks another protocol": func(op *gateway.Operation) { op.Shaping.GRPCWeb = new(true) },
	} {
		op := operation(t, "get", "/", nil, "GET")
		change(&op)
		_, faults := crossed(t, gateway.Shaping{}, op)
		if len(faults) != 1 || faults[0].Code != gateway.CodeShaping || !strings.Contains(faults[0].Message, name) {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// TestOrigins holds which origins may call, as Envoy is told to compare them.
func TestOrigins(t *testing.T) {
	t.Parallel()
	c := &gateway.CORS{Origins: []string{"https://app.test", "https://*.bank.test:8443"}, Patterns: []string{"http://localhost:[0-9]+"}}
	for origin, may := range map[string]bool{
		"https://app.test": true, "http://app.test": false, "https://app.test.evil.test": false, "https://a.bank.test:8443": true,
		"https://a.b.bank.test:8443": true, "https://bank.test:8443": false, "https://a.bank.test": false, "https://evil/.bank.test:8443": false,
		"http://localhost:3000": true, "http://localhost:3000.evil.test": false, "null": false,
	} {
		if got := c.Allows(origin); got != may {
			t.Errorf("%s may call: %t", origin, got)
		}
	}
	if !(&gateway.CORS{Origins: []string{gateway.AnyOrigin}}).Allows("https://anybody.test") {
		t.Error("* is not everybody")
	}
}
