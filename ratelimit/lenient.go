package ratelimit

import (
	"fmt"
	"strings"
	"unicode/utf8"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields: the descriptors of a call, the entries of a descriptor, the value of an entry (rls.proto and
// common/ratelimit/v3/ratelimit.proto of Envoy 1.40).
const (
	fieldDescriptors = 2
	fieldEntries     = 1
	fieldValue       = 2
)

// Codec returns the codec of servers of the rate limit service: another, but that it reads calls whose descriptors hold bytes that are
// no UTF-8 too. Envoy sends header and query values as they are; a call that cannot be read would be one that failed, and
// so a client could leave out every limit that is open then.
func Codec(other encoding.CodecV2) encoding.CodecV2 { return lenient{other} }

type lenient struct{ encoding.CodecV2 }

// Unmarshal reads a message.
func (c lenient) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	if _, ours := v.(*rlsv3.RateLimitRequest); err == nil || !ours {
		return err
	}
	readable, ok := mapField(data.Materialize(), fieldDescriptors, func(descriptor []byte) ([]byte, bool) {
		return mapField(descriptor, fieldEntries, func(entry []byte) ([]byte, bool) {
			return mapField(entry, fieldValue, func(value []byte) ([]byte, bool) { return []byte(spelt(string(value))), true })
		})
	})
	if !ok {
		return err
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(readable)}, v)
}

// mapField returns a message with the values of one of its fields, each of which is a text or a message, replaced; false where it is no
// message.
func mapField(message []byte, field protowire.Number, change func([]byte) ([]byte, bool)) (out []byte, ok bool) {
	out = make([]byte, 0, len(message))
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		length := protowire.ConsumeFieldValue(number, kind, message[n:])
		if length < 0 {
			return nil, false
		}
		if number != field || kind != protowire.BytesType {
			out, message = append(out, message[:n+length]...), message[n+length:]
			continue
		}
		value, _ := protowire.ConsumeBytes(message[n:])
		changed, ok := change(value)
		if !ok {
			return nil, false
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, number, kind), changed)
		message = message[n+length:]
	}
	return out, true
}

// spelt returns a text in which each byte that is no UTF-8 is spelt out behind the mark of such bytes, so that two texts that differ
// go on differing.
func spelt(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, "\uFFFD%02x", text[0])
		} else {
			out.WriteString(text[:size])
		}
		text = text[size:]
	}
	return out.String()
}
