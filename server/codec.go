package server

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"

	"github.com/gatehouse/gatehouse/ratelimit"
)

// codec returns how gRPC servers read and write messages.
func codec() encoding.CodecV2 { return ratelimit.Codec(encoding.GetCodecV2(proto.Name)) }
