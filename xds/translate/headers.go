package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// changeHeaders puts changes of headers on a route. Envoy makes those of a request in its router, behind every filter, so that
// nothing that decides about the request sees them; those of the response also on answers of the filters. What Gatehouse itself
// puts on a response comes after them and wins.
func changeHeaders(out *routev3.Route, h gateway.Headers, route string) {
	out.RequestHeadersToAdd = headerOptions(h.Request, route)
	out.RequestHeadersToRemove = h.Request.Remove
	out.ResponseHeadersToAdd = headerOptions(h.Response, route)
	out.ResponseHeadersToRemove = h.Response.Remove
}

func headerOptions(c gateway.HeaderChanges, route string) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	for _, h := range c.Set {
		out = append(out, setHeader(h.Name, headerFormat(h.Value, route)))
	}
	for _, h := range c.Add {
		out = append(out, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: h.Name, Value: headerFormat(h.Value, route)},
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		})
	}
	return out
}

// headerFormat returns a value in Envoy's words, in which a percent sign begins a command: the literal parts hold none.
func headerFormat(parts []gateway.HeaderPart, route string) string {
	var out strings.Builder
	literal := strings.NewReplacer("%", "%%")
	for _, p := range parts {
		switch p.Field {
		case gateway.PartClientAddress:
			out.WriteString("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
		case gateway.PartRequestID:
			out.WriteString("%REQ(x-request-id)%")
		case gateway.PartRequestHost:
			out.WriteString("%REQ(:authority)%")
		case gateway.PartRequestMethod:
			out.WriteString("%REQ(:method)%")
		case gateway.PartRoute:
			out.WriteString(literal.Replace(route))
		default:
			out.WriteString(literal.Replace(p.Text))
		}
	}
	return out.String()
}
