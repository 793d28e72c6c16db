package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// checkShaping finds what the routes of an API at one Gateway cannot do of what is said of their traffic.
func (a *assembler) checkShaping(api *API, r *Route) {
	if r.Action != ActionForward {
		return
	}
	fault := func(field, format string, args ...any) {
		a.apiFault(api, CodeShaping, field, "%s", fmt.Sprintf(format, args...))
	}
	for _, p := range r.attributes() {
		switch {
		case slices.Contains([]RequestedPart{PartConsumer, PartApplication, PartIdentity}, p) && len(r.Ways) == 0:
			fault("headers", "{%s} tells who calls, and %s asks nobody who they are: authenticate callers, or take something else", p, r.Name)
		case strings.HasPrefix(string(p), "certificate.") && !r.asksForCertificates():
			fault("headers", "{%s} is about a client's certificate, and no listener of Gateway %s asks for one: write tls: {clients: ...} there, or take something else",
				p, r.Gateway.Name)
		case strings.HasPrefix(string(p), "tls.") && !slices.ContainsFunc(r.Gateway.Listeners, func(l Listener) bool { return l.TLS != nil }):
			fault("headers", "{%s} is about TLS, and no listener of Gateway %s has any: take something else", p, r.Gateway.Name)
		}
	}
	if t := r.Shaping.Transcoding; t != nil && slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Upstream.Protocol != HTTP2 }) {
		fault("transcode", "calls of gRPC go by HTTP/2, and an Upstream of %s speaks another protocol: write protocol: http2 there", r.Name)
	}
	if r.Shaping.GRPCWeb != nil && slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Upstream.Protocol != HTTP2 }) {
		fault("grpc-web", "calls of gRPC go by HTTP/2, and an Upstream of %s speaks another protocol: write protocol: http2 there", r.Name)
	}
}

// asksForCertificates reports whether a client may have shown a certificate.
func (r *Route) asksForCertificates() bool {
	return slices.ContainsFunc(r.Gateway.Listeners, func(l Listener) bool { return l.TLS != nil && l.TLS.Clients != nil })
}

// attributes returns what values of the route take from requests.
func (r *Route) attributes() []RequestedPart {
	var out []RequestedPart
	add := func(parts []HeaderPart) {
		for _, p := range parts {
			if p.Field != "" {
				out = append(out, p.Field)
			}
		}
	}
	for _, h := range slices.Concat(r.Headers.Request.Set, r.Headers.Request.Add, r.Headers.Response.Set, r.Headers.Response.Add) {
		add(h.Value)
	}
	var fields func(list []BodyField)
	fields = func(list []BodyField) {
		for _, f := range list {
			for _, p := range f.Value.Text {
				add([]HeaderPart{p.HeaderPart})
			}
			fields(f.Value.Object)
		}
	}
	if b := r.Shaping.Body; b != nil {
		for _, change := range []*BodyChange{b.Request, b.Response} {
			if change != nil {
				fields(change.Fields)
			}
		}
	}
	return out
}
