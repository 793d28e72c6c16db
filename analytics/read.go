package analytics

import (
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// entry is what is read of an HTTPAccessLogEntry. What the Envoy did not say is zero.
type entry struct {
	kind             datav3.AccessLogType
	start            timestamppb.Timestamp
	first, last, all durationpb.Duration // To the answer's first byte, to its last, to the end.
	reachedUpstream  bool
	flags            *datav3.ResponseFlags

	api, version, operation, rules string
	limitRules                     string // The rules that the rate limit service repeated in its answer.
	quota                          string // The limit by which the Envoy itself counted the request.
	checkLimits                    string // What the authorization service says became of the limits.
	limit                          string // The limit that it says is reached.
	letThrough                     bool   // By the authorization filter, after a failure.

	claims, guarded []byte // What the token filter and Envoy's access rules wrote, as it came: few entries need it.
	spiffe          string // First URI name of the client's certificate.
	path            string

	method            uint64
	requestID         string
	status            uint64
	details           string
	bytesIn, bytesOut uint64
}

// Fields of HTTPAccessLogEntry and its parts (envoy/data/accesslog/v3/accesslog.proto), of Metadata
// (envoy/config/core/v3/base.proto), and of a Struct, its Values and a wrapped number (google/protobuf).
const (
	entryCommon   = 1
	entryRequest  = 3
	entryResponse = 4

	commonTLS      = 4
	commonStart    = 5
	commonFirst    = 11
	commonLast     = 12
	commonUpstream = 13
	commonFlags    = 16
	commonMetadata = 17
	commonRoute    = 19
	commonDuration = 23
	commonType     = 33

	tlsPeer   = 4
	peerNames = 1
	peerURI   = 1

	requestMethod  = 1
	requestPath    = 5
	requestID      = 9
	requestBody    = 12
	requestHeaders = 13

	responseCode    = 1
	responseBody    = 3
	responseDetails = 6

	metadataFilter = 1
	structFields   = 1
	valueString    = 3
	valueStruct    = 5
	wrappedNumber  = 1
)

// read takes one field of an entry.
func (e *entry) read(number protowire.Number, f field) error {
	switch number {
	case entryCommon:
		return walk(f.bytes, e.common)
	case entryRequest:
		return walk(f.bytes, e.request)
	case entryResponse:
		return walk(f.bytes, e.response)
	}
	return nil
}

func (e *entry) common(number protowire.Number, f field) error {
	switch number {
	case commonType:
		e.kind = datav3.AccessLogType(f.number) //nolint:gosec // How an enumeration is written.
	case commonStart:
		return moment(f.bytes, &e.start.Seconds, &e.start.Nanos)
	case commonFirst:
		return moment(f.bytes, &e.first.Seconds, &e.first.Nanos)
	case commonLast:
		return moment(f.bytes, &e.last.Seconds, &e.last.Nanos)
	case commonDuration:
		return moment(f.bytes, &e.all.Seconds, &e.all.Nanos)
	case commonUpstream:
		e.reachedUpstream = true
	case commonFlags:
		e.flags = &datav3.ResponseFlags{}
		return proto.Unmarshal(f.bytes, e.flags)
	case commonRoute:
		e.route(string(f.bytes))
	case commonMetadata:
		return walk(f.bytes, e.metadata)
	case commonTLS:
		return e.peer(f.bytes)
	}
	return nil
}

// route takes the name of the route: whose it is, and by which rules it answered. Of a route that belongs to no document, as
// the one that answers where nothing is served, all stays empty.
func (e *entry) route(text string) {
	var name string
	name, e.rules = envoy.ReadRouteName(text)
	e.api, e.version, e.operation = gateway.SplitRouteName(name)
}

// metadata takes what Gatehouse's services answered about limits, and keeps what the token filter and Envoy's access rules wrote.
func (e *entry) metadata(number protowire.Number, f field) error {
	if number != metadataFilter {
		return nil
	}
	namespace, fields, err := pair(f.bytes)
	if err != nil {
		return err
	}
	switch string(namespace) {
	case envoy.MetadataRateLimit:
		return walkStruct(fields, func(key string, value []byte) error {
			switch key {
			case envoy.MetadataRateLimitRules:
				e.limitRules = textOf(value)
			case envoy.MetadataRateLimitLimit:
				e.limit = textOf(value)
			}
			return nil
		})
	case envoy.MetadataQuota:
		return walkStruct(fields, func(key string, value []byte) error {
			if key == envoy.BucketLimit {
				e.quota = textOf(value)
			}
			return nil
		})
	case envoy.MetadataAuthz:
		return walkStruct(fields, func(key string, value []byte) error {
			if key == envoy.MetadataAuthzLimits {
				e.checkLimits = textOf(value)
			}
			return nil
		})
	case envoy.MetadataJWT:
		e.claims = fields
	case envoy.MetadataRBAC:
		e.guarded = fields
	}
	return nil
}

func (e *entry) request(number protowire.Number, f field) error {
	switch number {
	case requestMethod:
		e.method = f.number
	case requestID:
		e.requestID = string(f.bytes)
	case requestPath:
		e.path = string(f.bytes)
	case requestBody:
		e.bytesIn = f.number
	case requestHeaders:
		name, value, err := pair(f.bytes)
		if string(name) == envoy.HeaderFailureModeAllowed {
			e.letThrough = string(value) == "true"
		}
		return err
	}
	return nil
}

func (e *entry) response(number protowire.Number, f field) error {
	switch number {
	case responseCode:
		return walk(f.bytes, func(number protowire.Number, f field) error {
			if number == wrappedNumber {
				e.status = uint64(uint32(f.number)) //nolint:gosec // How uint32 is written.
			}
			return nil
		})
	case responseBody:
		e.bytesOut = f.number
	case responseDetails:
		e.details = string(f.bytes)
	}
	return nil
}
