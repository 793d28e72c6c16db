package server

import (
	"google.golang.org/grpc/encoding"

	"github.com/gatehouse/gatehouse/internal/wire"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// codec returns how gRPC servers read and write messages.
func codec() encoding.CodecV2 { return ratelimit.Codec(wire.Codec()) }
