package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Received is a message that reads itself.
type Received interface {
	// ReadWire reads the message. It must not hold on to the data. An error ends the call, with INTERNAL.
	ReadWire(data []byte) error
}

// Sent is a message that writes itself.
type Sent interface {
	// AppendWire appends the message to a slice; false where it holds what it cannot write.
	AppendWire(to []byte) ([]byte, bool)
}

// codec reads and writes messages that do it themselves, and leaves all others to package proto.
type codec struct {
	encoding.CodecV2
	buffers *buffers
}

// Codec returns a codec for gRPC servers (grpc.ForceServerCodecV2). It speaks protobuf with everybody.
func Codec() encoding.CodecV2 {
	return codec{CodecV2: encoding.GetCodecV2(proto.Name), buffers: &buffers{}}
}

// Unmarshal reads a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(Received)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(c.buffers)
	defer buffer.Free()
	return m.ReadWire(buffer.ReadOnlyData())
}

// Marshal writes a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(Sent); ok {
		if data, ok := m.AppendWire(make([]byte, 0, sentSize)); ok {
			return mem.BufferSlice{mem.SliceBuffer(data)}, nil
		}
	}
	return c.CodecV2.Marshal(v)
}

// sentSize is the size in bytes of most messages that are sent.
const sentSize = 512
