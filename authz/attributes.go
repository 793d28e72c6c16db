package authz

import (
	"encoding/base64"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/ast"
	"google.golang.org/protobuf/types/known/anypb"
)

// Short names for the parts of a CheckRequest.
type (
	attributes  = authv3.AttributeContext
	peer        = authv3.AttributeContext_Peer
	requestPart = authv3.AttributeContext_Request
	httpRequest = authv3.AttributeContext_HttpRequest
	tlsSession  = authv3.AttributeContext_TLSSession
)

// attributesField is input.attributes: the CheckRequest's attributes as protojson spells them (lowerCamelCase, empty fields
// left out, 64-bit integers as strings, bytes as base64), which is what policies written for opa-envoy-plugin read.
func attributesField() field[*request] {
	return message("attributes", func(r *request) *attributes { return r.attributes },
		message("source", (*attributes).GetSource, peerFields()...),
		message("destination", (*attributes).GetDestination, peerFields()...),
		message("request", (*attributes).GetRequest, requestFields()...),
		texts("contextExtensions", (*attributes).GetContextExtensions),
		message("metadataContext", (*attributes).GetMetadataContext, metadataFields()...),
		message("routeMetadataContext", (*attributes).GetRouteMetadataContext, metadataFields()...),
		message("tlsSession", (*attributes).GetTlsSession, text("sni", (*tlsSession).GetSni)),
	)
}

func peerFields() []field[*peer] {
	return []field[*peer]{
		message("address", (*peer).GetAddress, addressFields()...),
		text("service", (*peer).GetService),
		texts("labels", (*peer).GetLabels),
		text("principal", (*peer).GetPrincipal),
		text("certificate", (*peer).GetCertificate),
	}
}

func addressFields() []field[*corev3.Address] {
	return []field[*corev3.Address]{
		message("socketAddress", (*corev3.Address).GetSocketAddress,
			leaf("protocol", func(a *corev3.SocketAddress) *ast.Term {
				if a.GetProtocol() == corev3.SocketAddress_TCP { // The zero value.
					return nil
				}
				return ast.StringTerm(a.GetProtocol().String())
			}),
			text("address", (*corev3.SocketAddress).GetAddress),
			leaf("portValue", func(a *corev3.SocketAddress) *ast.Term {
				if _, ok := a.GetPortSpecifier().(*corev3.SocketAddress_PortValue); !ok {
					return nil
				}
				return ast.InternedTerm(a.GetPortValue())
			}),
			text("namedPort", (*corev3.SocketAddress).GetNamedPort),
			text("resolverName", (*corev3.SocketAddress).GetResolverName),
		),
		leaf("pipe", func(a *corev3.Address) *ast.Term { return messageTerm(a.GetPipe()) }),
		leaf("envoyInternalAddress", func(a *corev3.Address) *ast.Term { return messageTerm(a.GetEnvoyInternalAddress()) }),
	}
}

func requestFields() []field[*requestPart] {
	return []field[*requestPart]{
		leaf("time", func(r *requestPart) *ast.Term { return messageTerm(r.GetTime()) }),
		message("http", (*requestPart).GetHttp,
			text("id", (*httpRequest).GetId),
			text("method", (*httpRequest).GetMethod),
			texts("headers", headers),
			leaf("headerMap", func(h *httpRequest) *ast.Term { return messageTerm(h.GetHeaderMap()) }),
			text("path", (*httpRequest).GetPath),
			text("host", (*httpRequest).GetHost),
			text("scheme", (*httpRequest).GetScheme),
			text("query", (*httpRequest).GetQuery),
			text("fragment", (*httpRequest).GetFragment),
			text("size", func(h *httpRequest) string {
				if h.GetSize() == 0 {
					return ""
				}
				return strconv.FormatInt(h.GetSize(), 10)
			}),
			text("protocol", (*httpRequest).GetProtocol),
			text("body", (*httpRequest).GetBody),
			text("rawBody", func(h *httpRequest) string { return base64.StdEncoding.EncodeToString(h.GetRawBody()) }),
		),
	}
}

func metadataFields() []field[*corev3.Metadata] {
	return []field[*corev3.Metadata]{
		dictionary("filterMetadata", (*corev3.Metadata).GetFilterMetadata, structure),
		dictionary("typedFilterMetadata", (*corev3.Metadata).GetTypedFilterMetadata, func(*need) build[*anypb.Any] {
			return func(a *anypb.Any) *ast.Term {
				if term := messageTerm(a); term != nil {
					return term
				}
				return ast.InternedNullTerm // A type that this binary does not know.
			}
		}),
	}
}
