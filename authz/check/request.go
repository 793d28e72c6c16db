// Package check reads CheckRequests and writes CheckResponses (envoy.service.auth.v3) by hand: to do it by reflection, as package proto
// does, was a quarter of all that the daemon did for a request.
//
// In: the bytes of a CheckRequest. Out: the generated message, equal to what package proto would have made of it but for fields
// that this version does not know, which are passed over; or the same refusal. The other way round for answers. FuzzRequest
// and FuzzResponse compare both with package proto.
package check

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse/gatehouse/internal/wire"
)

// Request is a CheckRequest and, in one piece of memory with it, the messages that an Envoy's usually holds. It is read by ReadWire, or
// by package proto.
type Request struct {
	authv3.CheckRequest

	attributes  authv3.AttributeContext
	source      party
	destination party
	request     authv3.AttributeContext_Request
	time        timestamppb.Timestamp
	http        authv3.AttributeContext_HttpRequest
	metadata    corev3.Metadata
	structs     [2]structpb.Struct
	values      [12]structpb.Value
	texts       [10]structpb.Value_StringValue
	usedStructs int
	usedValues  int
	usedTexts   int
}

// party is a Peer with the messages that it usually holds.
type party struct {
	peer    authv3.AttributeContext_Peer
	address corev3.Address
	way     corev3.Address_SocketAddress
	socket  corev3.SocketAddress
	port    corev3.SocketAddress_PortValue
}

// Fields of CheckRequest (envoy/service/auth/v3/external_auth.proto).
const checkAttributes = 1<<3 | wire.Bytes

// Fields of AttributeContext and its parts (envoy/service/auth/v3/attribute_context.proto).
const (
	attributesSource        = 1<<3 | wire.Bytes
	attributesDestination   = 2<<3 | wire.Bytes
	attributesRequest       = 4<<3 | wire.Bytes
	attributesExtensions    = 10<<3 | wire.Bytes
	attributesMetadata      = 11<<3 | wire.Bytes
	attributesTLS           = 12<<3 | wire.Bytes
	attributesRouteMetadata = 13<<3 | wire.Bytes

	requestTime = 1<<3 | wire.Bytes
	requestHTTP = 2<<3 | wire.Bytes

	httpID        = 1<<3 | wire.Bytes
	httpMethod    = 2<<3 | wire.Bytes
	httpHeaders   = 3<<3 | wire.Bytes
	httpPath      = 4<<3 | wire.Bytes
	httpHost      = 5<<3 | wire.Bytes
	httpScheme    = 6<<3 | wire.Bytes
	httpQuery     = 7<<3 | wire.Bytes
	httpFragment  = 8<<3 | wire.Bytes
	httpSize      = 9<<3 | wire.Varint
	httpProtocol  = 10<<3 | wire.Bytes
	httpBody      = 11<<3 | wire.Bytes
	httpRawBody   = 12<<3 | wire.Bytes
	httpHeaderMap = 13<<3 | wire.Bytes
)

// ReadWire reads the message. It does not hold on to the data.
func (q *Request) ReadWire(data []byte) error {
	r := wire.NewReader(data)
	for r.Next() {
		if r.Tag == checkAttributes {
			q.Attributes = &q.attributes
			in := r.Message()
			r.Fail(q.readAttributes(&in))
		}
	}
	return r.Err()
}

func (q *Request) readAttributes(r *wire.Reader) error {
	a := &q.attributes
	for r.Next() {
		switch r.Tag {
		case attributesSource:
			a.Source = &q.source.peer
			in := r.Message()
			r.Fail(q.source.read(&in))
		case attributesDestination:
			a.Destination = &q.destination.peer
			in := r.Message()
			r.Fail(q.destination.read(&in))
		case attributesRequest:
			a.Request = &q.request
			in := r.Message()
			r.Fail(q.readRequest(&in))
		case attributesExtensions:
			if a.ContextExtensions == nil {
				a.ContextExtensions = make(map[string]string, fewEntries)
			}
			key, value := r.TextEntry()
			a.ContextExtensions[key] = value
		case attributesMetadata:
			a.MetadataContext = &q.metadata
			in := r.Message()
			r.Fail(q.readMetadata(&in, a.MetadataContext))
		case attributesTLS:
			a.TlsSession = made(a.TlsSession)
			merge(r, a.TlsSession)
		case attributesRouteMetadata:
			a.RouteMetadataContext = made(a.RouteMetadataContext)
			in := r.Message()
			r.Fail(q.readMetadata(&in, a.RouteMetadataContext))
		}
	}
	return r.Err()
}

func (q *Request) readRequest(r *wire.Reader) error {
	for r.Next() {
		switch r.Tag {
		case requestTime:
			q.request.Time = &q.time
			in := r.Message()
			r.Fail(readTime(&in, &q.time))
		case requestHTTP:
			q.request.Http = &q.http
			in := r.Message()
			r.Fail(readHTTP(&in, &q.http))
		}
	}
	return r.Err()
}

// fewEntries is for how many entries a map has room at once where it rarely has more.
const fewEntries = 4

func readHTTP(r *wire.Reader, h *authv3.AttributeContext_HttpRequest) error {
	for r.Next() {
		switch r.Tag {
		case httpID:
			h.Id = r.Text()
		case httpMethod:
			h.Method = r.Text()
		case httpHeaders:
			if h.Headers == nil {
				h.Headers = make(map[string]string, 1+r.Count(httpHeaders))
			}
			name, value := r.TextEntry()
			h.Headers[name] = value
		case httpPath:
			h.Path = r.Text()
		case httpHost:
			h.Host = r.Text()
		case httpScheme:
			h.Scheme = r.Text()
		case httpQuery:
			h.Query = r.Text()
		case httpFragment:
			h.Fragment = r.Text()
		case httpSize:
			h.Size = int64(r.Number()) //nolint:gosec // How int64 is written.
		case httpProtocol:
			h.Protocol = r.Text()
		case httpBody:
			h.Body = r.Text()
		case httpRawBody:
			h.RawBody = append([]byte{}, r.Raw()...)
		case httpHeaderMap:
			h.HeaderMap = made(h.HeaderMap)
			merge(r, h.HeaderMap)
		}
	}
	return r.Err()
}
