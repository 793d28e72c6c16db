package authz

import (
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// request is one CheckRequest while it is decided. What it holds is read when a policy needs it.
type request struct {
	attributes *attributes
	rules      *rules
	identity   *identity // nil: nobody proved one.
	shown      bool      // The caller showed something by which it did not prove who it is.
	parameters *ast.Term // Of the policy about to be evaluated.
	body       *body     // nil: not read yet.
	malformed  string    // What could not be read, for the answer 400; empty: nothing.
	most       int       // Bytes of a body that are read for a policy; 0: all there are. What is longer is refused.
	asked      *policy   // The policy about to be evaluated.
	// shadows are what policies whose word does not count would have done, in their order.
	shadows []gateway.ShadowDecision
}

// id returns what tells the request from all others, empty where nothing does.
func (r *request) id() string {
	if id := r.header("x-request-id"); id != "" {
		return id
	}
	return r.http().GetId()
}

func (r *request) http() *httpRequest { return r.attributes.GetRequest().GetHttp() }

// header returns the value of a header by its lower-case name, or "".
func (r *request) header(name string) string { return headers(r.http())[name] }

// grpc reports whether the caller speaks gRPC, and so reads no HTTP body.
func (r *request) grpc() bool { return strings.HasPrefix(r.header("content-type"), "application/grpc") }

// splitPath returns the path as Envoy sent it, and the query behind it.
func (r *request) splitPath() (path, query string) {
	path, query, _ = strings.Cut(r.http().GetPath(), "?")
	return path, query
}

// headers returns the headers of a request by lower-case name, also where Envoy was told to send them raw (the filter's
// encode_raw_headers): repeated ones are then joined by a comma, as Envoy does otherwise.
func headers(h *httpRequest) map[string]string {
	if len(h.GetHeaders()) > 0 || len(h.GetHeaderMap().GetHeaders()) == 0 {
		return h.GetHeaders()
	}
	joined := make(map[string]string, len(h.GetHeaderMap().GetHeaders()))
	for _, header := range h.GetHeaderMap().GetHeaders() {
		name, value := strings.ToLower(header.GetKey()), headerValue(header)
		if before, repeated := joined[name]; repeated {
			value = before + "," + value
		}
		joined[name] = value
	}
	return joined
}

func headerValue(h *corev3.HeaderValue) string {
	if len(h.GetRawValue()) > 0 {
		return strings.ToValidUTF8(string(h.GetRawValue()), "\uFFFD")
	}
	return h.GetValue()
}

// parsedPath is input.parsed_path: the segments of the percent-decoded path, without leading slashes. (A decoded slash
// separates too; policies written for opa-envoy-plugin expect it.)
func parsedPath(r *request) *ast.Term {
	path, _ := r.splitPath()
	if strings.Contains(path, "%") {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			r.malformed = "The path holds a percent sign that begins no escape."
			return nil
		}
		path = decoded
	}
	path = strings.TrimLeft(path, "/")
	terms := make([]*ast.Term, 0, strings.Count(path, "/")+1)
	for part := range strings.SplitSeq(path, "/") {
		terms = append(terms, ast.StringTerm(part))
	}
	return ast.ArrayTerm(terms...)
}

// parsedQuery is input.parsed_query: every parameter with its list of values. What cannot be decoded is left out; a
// semicolon is an ordinary character.
func parsedQuery(r *request) *ast.Term {
	_, query := r.splitPath()
	return ast.NewTerm(parseForm(query, func(error) {}))
}

// parseForm reads application/x-www-form-urlencoded text into an object of arrays. It tells each pair's error and goes on.
func parseForm(text string, failed func(error)) ast.Object {
	values := map[string][]*ast.Term{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			failed(err)
			continue
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			failed(err)
			continue
		}
		values[name] = append(values[name], ast.StringTerm(value))
	}
	pairs := make([][2]*ast.Term, 0, len(values))
	for name, terms := range values {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.ArrayTerm(terms...)})
	}
	return ast.NewObject(pairs...)
}
