package analytics

import (
	"fmt"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Messages are read from protobuf's wire format by hand. Envoy sends far more than is read, the claims of each request's token
// among it, and to decode all of an entry costs more than all else that Gatehouse does for a request without a hop.

// field is the value of one field: the number of a varint, or the bytes of what has a length.
type field struct {
	number uint64
	bytes  []byte
}

// walk shows every field of a message. Only varints and what has a length come with a value: nothing else is read.
func walk(in []byte, visit func(number protowire.Number, f field) error) error {
	for len(in) > 0 {
		number, kind, n := protowire.ConsumeTag(in)
		if n < 0 {
			return protowire.ParseError(n)
		}
		in = in[n:]
		var f field
		switch kind {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(in)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(in)
		default:
			n = protowire.ConsumeFieldValue(number, kind, in)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := visit(number, f); err != nil {
			return err
		}
		in = in[n:]
	}
	return nil
}

// pair reads an entry of a map: its key is field 1, its value field 2.
func pair(in []byte) (key, value []byte, err error) {
	err = walk(in, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			key = f.bytes
		case 2:
			value = f.bytes
		}
		return nil
	})
	return key, value, err
}

// moment reads a Timestamp or Duration.
func moment(in []byte, seconds *int64, nanos *int32) error {
	return walk(in, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			*seconds = int64(f.number) //nolint:gosec // How int64 is written.
		case 2:
			*nanos = int32(f.number) //nolint:gosec // How int32 is written.
		}
		return nil
	})
}

// Fields of StreamAccessLogsMessage (envoy/service/accesslog/v3/als.proto), and of the lists of entries in it.
const (
	messageIdentifier = 1
	messageHTTP       = 2
	messageTCP        = 3
	listEntry         = 1
)

// batch is what one message brings.
type batch struct {
	identifier *alsv3.StreamAccessLogsMessage_Identifier
	entries    []*entry
	others     int // Entries that are not of HTTP.
}

// readBatch reads a message.
func readBatch(message []byte) (*batch, error) {
	b := &batch{}
	err := walk(message, func(number protowire.Number, f field) error {
		switch number {
		case messageIdentifier:
			b.identifier = &alsv3.StreamAccessLogsMessage_Identifier{}
			return proto.Unmarshal(f.bytes, b.identifier)
		case messageHTTP:
			return walk(f.bytes, b.http)
		case messageTCP:
			return walk(f.bytes, b.tcp)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a message of an access log: %w", err)
	}
	return b, nil
}

func (b *batch) http(number protowire.Number, f field) error {
	if number != listEntry {
		return nil
	}
	e := &entry{}
	b.entries = append(b.entries, e)
	return walk(f.bytes, e.read)
}

func (b *batch) tcp(number protowire.Number, _ field) error {
	if number == listEntry {
		b.others++
	}
	return nil
}
