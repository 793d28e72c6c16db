package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Numbers of fields in envoy.service.discovery.v3.DeltaDiscoveryResponse and Resource, and in google.protobuf.Any.
const (
	fieldResources       = 2
	fieldResourceVersion = 1
	fieldResourceBody    = 2
	fieldResourceName    = 3
	fieldAnyType         = 1
	fieldAnyValue        = 2
)

// marshal makes a resource of a message, and the bytes by which it stands in any response that brings it: they are made once
// and shared by all nodes, however large it is. The version is the hash of the message's own bytes.
func marshal(k kind, name string, m proto.Message) (*Resource, error) {
	const version = 2 * versionBytes // Hexadecimal digits.
	options := proto.MarshalOptions{Deterministic: true}
	body := options.Size(m)
	any := sizeOf(len(k.url())) + sizeOf(body)
	whole := sizeOf(any) + sizeOf(version) + sizeOf(len(name))
	out := make([]byte, 0, sizeOf(whole))
	out = appendHead(out, fieldResources, whole)
	out = appendHead(out, fieldResourceBody, any)
	out = appendText(out, fieldAnyType, k.url())
	out = appendHead(out, fieldAnyValue, body)
	start := len(out)
	out, err := options.MarshalAppend(out, m)
	if err != nil {
		return nil, fmt.Errorf("marshal %s %q: %w", k.url(), name, err)
	}
	value := out[start:len(out):len(out)]
	if len(value) != body {
		return nil, fmt.Errorf("marshal %s %q: %d bytes came out where %d were expected", k.url(), name, len(value), body)
	}
	sum := sha256.Sum256(value)
	r := &Resource{Name: name, Version: hex.EncodeToString(sum[:versionBytes])}
	out = appendText(out, fieldResourceVersion, r.Version)
	out = appendText(out, fieldResourceName, name)
	r.field = out
	r.wire = &discoveryv3.Resource{Name: name, Version: r.Version, Resource: &anypb.Any{TypeUrl: k.url(), Value: value}}
	return r, nil
}

// sizeOf returns the size of a field of so many bytes; all fields here have numbers of one byte.
func sizeOf(content int) int { return 1 + protowire.SizeBytes(content) }

func appendHead(b []byte, field protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(size))
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

// encoded is a response of which all but its resources is still to be marshalled.
type encoded struct {
	head   *discoveryv3.DeltaDiscoveryResponse // Without resources.
	fields [][]byte
}

// encode takes a response apart.
func (o output) encode() *encoded {
	return &encoded{fields: o.fields, head: &discoveryv3.DeltaDiscoveryResponse{
		SystemVersionInfo: o.message.GetSystemVersionInfo(), TypeUrl: o.message.GetTypeUrl(),
		Nonce: o.message.GetNonce(), RemovedResources: o.message.GetRemovedResources(),
	}}
}

// codec writes encoded responses without copying their resources, and everything else as the codec that it holds.
type codec struct{ encoding.CodecV2 }

// Marshal returns the bytes of a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	e, ok := v.(*encoded)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	head, err := proto.Marshal(e.head)
	if err != nil {
		return nil, fmt.Errorf("marshal a response: %w", err)
	}
	out := make(mem.BufferSlice, 0, len(e.fields)+1)
	out = append(out, mem.SliceBuffer(head))
	for _, field := range e.fields {
		out = append(out, mem.SliceBuffer(field))
	}
	return out, nil
}

// ServerOption makes a gRPC server send the bytes of resources that all nodes share. Without it, and Settings.Shared, each
// response is marshalled anew for each node: the first delivery to hundreds of nodes then takes hundreds of megabytes. Everything
// else is up to another codec.
func ServerOption(other encoding.CodecV2) grpc.ServerOption {
	return grpc.ForceServerCodecV2(codec{other})
}
