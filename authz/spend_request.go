package authz

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// spending is a request as limits ask about it.
type spending struct {
	ctx context.Context //nolint:containedctx // Of the one call that it lives for; it says what that call's Envoy told beside.
	r   *request
}

// Value returns a part of a limit's key.
func (s *spending) Value(part string) (string, bool) {
	kind, name, _ := strings.Cut(part, ".")
	switch kind {
	case "header":
		value, ok := headers(s.r.http())[name]
		return value, ok
	case "token":
		return s.r.claim(name)
	case "query":
		return s.r.query(name)
	case "path":
		return s.r.parameter(name)
	case "client":
		return s.r.clientAddress(s.ctx)
	}
	return s.r.caller().named(kind)
}

// Amount returns the text of what is to be a number.
func (s *spending) Amount(from string) (string, bool) {
	kind, name, _ := strings.Cut(from, ".")
	switch kind {
	case "header":
		value, ok := headers(s.r.http())[name]
		return value, ok
	case "token":
		value := s.r.claimValue(name)
		if n, ok := value.GetKind().(*structpb.Value_NumberValue); ok {
			return strconv.FormatFloat(n.NumberValue, 'f', -1, 64), true
		}
		return value.GetStringValue(), value != nil
	case "body":
		value, ok := headers(s.r.http())["content-length"] // The size in the Check is what has come so far.
		return value, ok
	}
	return "", false
}

// Holds reports whether the request is one that a limit counts.
func (s *spending) Holds(when *gateway.LimitWhen) bool {
	for _, h := range when.Headers {
		if value, ok := headers(s.r.http())[h.Name]; !ok || len(h.Values) > 0 && !slices.Contains(h.Values, value) {
			return false
		}
	}
	for _, q := range when.Query {
		if value, ok := s.r.query(q.Name); !ok || q.Value != "" && value != q.Value {
			return false
		}
	}
	caller := s.r.caller()
	for _, c := range when.Claims {
		if caller == nil || !claimHolds(caller.claims, c) {
			return false
		}
	}
	return len(when.Plans) == 0 || caller != nil && slices.Contains(when.Plans, caller.plan)
}

// named returns what a caller is known by.
func (id *identity) named(what string) (string, bool) {
	var value string
	switch {
	case id == nil:
	case what == gateway.KeyConsumer:
		value = gateway.ConsumerKey(id.issuer, id.consumer)
	case what == "application":
		value = id.application
	case what == "plan":
		value = id.plan
	}
	return value, value != ""
}

// caller returns who calls; nil where nobody proved that.
func (r *request) caller() *identity {
	if r.identity != nil {
		return r.identity
	}
	return r.verified()
}

// parameter returns a parameter of the path, decoded, so that nobody escapes a limit by another spelling.
func (r *request) parameter(name string) (string, bool) {
	path, _ := r.splitPath()
	parameters, _ := r.rules.path.Parameters(path)
	value, ok := parameters[name]
	if decoded, err := url.PathUnescape(value); err == nil {
		value = decoded
	}
	return value, ok
}

// query returns the first value of a parameter of the query, decoded.
func (r *request) query(name string) (string, bool) {
	_, query := r.splitPath()
	for pair := range strings.SplitSeq(query, "&") {
		written, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.PathUnescape(written); err != nil || decoded != name {
			continue
		}
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		return value, true
	}
	return "", false
}

// claim returns a claim of the verified token that is a text. An empty one is none, as it is to Envoy.
func (r *request) claim(path string) (string, bool) {
	text := r.claimValue(path).GetStringValue()
	return text, text != ""
}

// claimValue returns a claim of the verified token by its path with dots between the names; nil where there is none.
func (r *request) claimValue(path string) *structpb.Value {
	id := r.caller()
	if id == nil {
		return nil
	}
	at := id.claims
	for {
		name, rest, deeper := strings.Cut(path, ".")
		value := at.GetFields()[name]
		if !deeper {
			return value
		}
		at, path = value.GetStructValue(), rest
	}
}

// clientAddress returns the address of the client, without its port: what Envoy took it to be by the Gateway's trust, which it
// says where it need not be the connection's.
func (r *request) clientAddress(ctx context.Context) (string, bool) {
	if told := metadata.ValueFromIncomingContext(ctx, envoy.HeaderClient); len(told) == 1 {
		return told[0], true
	}
	address := r.attributes.GetSource().GetAddress().GetSocketAddress().GetAddress()
	return address, address != ""
}
