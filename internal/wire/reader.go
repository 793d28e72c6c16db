// Package wire reads protobuf's wire format by hand, for messages of which Envoy sends so many that to read them by reflection is
// a good part of all that is done for a request.
//
// In: the bytes of a message. Out: its fields, one after the other, by their numbers; and for gRPC servers a Codec, by which
// messages that can read and write themselves do so. What the numbers mean, only the services know.
package wire

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Why bytes are no message. Package proto refuses the same ones.
var (
	ErrMalformed = errors.New("the message is malformed")
	ErrTooDeep   = errors.New("the message nests too deep")
	ErrNotUTF8   = errors.New("a text of the message is not UTF-8")
)

// Tag is what stands before the value of a field: its number, shifted by three bits, and how the value is written. A field that
// is written in another way than its reader expects is one that it does not know.
type Tag uint64

// How a value is written (protobuf's encoding, "Message Structure"), for constants like 4<<3 | Bytes.
const (
	Varint  = Tag(protowire.VarintType)  // Numbers, truths and enumerations.
	Fixed64 = Tag(protowire.Fixed64Type) // Of a double.
	Bytes   = Tag(protowire.BytesType)   // Texts, messages, entries of maps.
)

// sharedSize is the size in bytes up to which the texts of a message share the memory of one copy. Beyond it each has its own, as
// one that is kept would keep all others, a request's body among them.
const sharedSize = 8 << 10

// message is a message as it came.
type message struct {
	data []byte
	text string // The same bytes, where its texts share them; else empty.
}

// Reader reads the fields of a message:
//
//	for r.Next() {
//		switch r.Tag {
//		case idTag:
//			m.Id = r.Text()
//		}
//	}
//	return r.Err()
//
// The first error ends it. Fields that nobody asks for are passed over.
type Reader struct {
	Tag Tag // Of the field at hand.

	of       *message
	at, end  int    // What is left.
	from, to int    // The value of the field at hand, where that has a length.
	number   uint64 // The value, where it has none.
	depth    int    // How many messages may be nested in this one.
	err      error
}

// NewReader returns a reader of a message. The data must not change while it reads; what it returns does not hold on to them.
func NewReader(data []byte) Reader {
	m := &message{data: data}
	if len(data) <= sharedSize {
		m.text = string(data)
	}
	return Reader{of: m, end: len(data), depth: protowire.DefaultRecursionLimit - 1}
}

// Next goes to the next field; false where there is none, or none that can be read.
func (r *Reader) Next() bool {
	if r.at >= r.end || r.err != nil {
		return false
	}
	in := r.of.data[r.at:r.end]
	tag, n := varint(in)
	if n < 0 || tag>>3 < uint64(protowire.MinValidNumber) || tag>>3 > uint64(protowire.MaxValidNumber) {
		return r.Fail(ErrMalformed)
	}
	in = in[n:]
	r.Tag = Tag(tag)
	r.at += n
	switch r.Tag & 7 {
	case Varint:
		r.number, n = varint(in)
	case Bytes:
		var length uint64
		if length, n = varint(in); n < 0 || length > uint64(len(in)-n) {
			return r.Fail(ErrMalformed)
		}
		r.from = r.at + n
		n += int(length) //nolint:gosec // No longer than the message.
		r.to = r.at + n
	case Fixed64:
		r.number, n = protowire.ConsumeFixed64(in)
	default:
		n = protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), in) //nolint:gosec // Checked above.
	}
	if n < 0 {
		return r.Fail(ErrMalformed)
	}
	r.at += n
	return true
}

// varint reads a number. Most have one byte.
func varint(in []byte) (uint64, int) {
	if len(in) > 0 && in[0] < 0x80 {
		return uint64(in[0]), 1
	}
	return protowire.ConsumeVarint(in)
}

// Count returns how many fields with a tag are left: what is put into a map finds room at once.
func (r *Reader) Count(of Tag) (n int) {
	ahead := *r
	for ahead.Next() {
		if ahead.Tag == of {
			n++
		}
	}
	return n
}

// Number returns the value of a field that is a number: as it is written for Varint, as its bits for Fixed64.
func (r *Reader) Number() uint64 { return r.number }

// Raw returns the value of a field of Bytes. It belongs to the data that are read.
func (r *Reader) Raw() []byte { return r.of.data[r.from:r.to] }

// Text returns the value of a field that is a text. One that is not UTF-8 is an error of the message.
func (r *Reader) Text() string {
	raw := r.Raw()
	switch {
	case !utf8.Valid(raw):
		r.Fail(ErrNotUTF8)
		return ""
	case r.of.text != "":
		return r.of.text[r.from:r.to]
	}
	return string(raw)
}

// Message returns a reader of a field that is a message, or an entry of a map. What goes wrong there is this reader's Fail.
func (r *Reader) Message() Reader {
	in := Reader{of: r.of, at: r.from, end: r.to, depth: r.depth - 1}
	if in.depth < 0 {
		in.err = ErrTooDeep
	}
	return in
}

// Fail ends the reading where the error is not nil. It returns false.
func (r *Reader) Fail(err error) bool {
	if r.err == nil {
		r.err = err
	}
	return false
}

// Err returns why the message could not be read to its end; nil where it was.
func (r *Reader) Err() error { return r.err }

// What every entry of a map holds.
const (
	Key   = 1<<3 | Bytes
	Value = 2<<3 | Bytes
)

// TextEntry reads the field at hand as an entry of a map of texts.
func (r *Reader) TextEntry() (key, value string) {
	in := r.Message()
	for in.Next() {
		switch in.Tag {
		case Key:
			key = in.Text()
		case Value:
			value = in.Text()
		}
	}
	r.Fail(in.err)
	return key, value
}
