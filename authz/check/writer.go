package check

import (
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"
)

// writer appends the fields of a message.
type writer struct {
	to     []byte
	failed bool // It was given what no message can hold.
}

// open begins a field that is a message, and returns where its fields begin. Its length, which is not known yet, has one byte.
func (w *writer) open(field uint64) (at int) {
	w.to = protowire.AppendVarint(w.to, field<<3|uint64(protowire.BytesType))
	w.to = append(w.to, 0)
	return len(w.to)
}

// shut ends a field that began there: its length is written before it, which moves what needs more than one byte for that.
func (w *writer) shut(at int) {
	size := len(w.to) - at
	more := protowire.SizeVarint(uint64(size)) - 1
	for range more {
		w.to = append(w.to, 0)
	}
	if more > 0 {
		copy(w.to[at+more:], w.to[at:at+size])
	}
	protowire.AppendVarint(w.to[:at-1], uint64(size))
}

// text appends a text, be it empty.
func (w *writer) text(field uint64, text string) {
	w.failed = w.failed || !utf8.ValidString(text)
	w.to = protowire.AppendVarint(w.to, field<<3|uint64(protowire.BytesType))
	w.to = protowire.AppendString(w.to, text)
}

// filled appends a text that is not empty.
func (w *writer) filled(field uint64, text string) {
	if text != "" {
		w.text(field, text)
	}
}

// number appends a number that is not 0.
func (w *writer) number(field, value uint64) {
	if value != 0 {
		w.to = protowire.AppendVarint(w.to, field<<3|uint64(protowire.VarintType))
		w.to = protowire.AppendVarint(w.to, value)
	}
}

// truth appends what is true.
func (w *writer) truth(field uint64, value bool) {
	w.number(field, protowire.EncodeBool(value))
}

// object appends the fields of a Struct, in any order.
func (w *writer) object(s *structpb.Struct) {
	for name, v := range s.GetFields() {
		at := w.open(uint64(structFields >> 3))
		w.text(mapKey, name)
		in := w.open(mapValue)
		w.value(v)
		w.shut(in)
		w.shut(at)
	}
}

// Fields of every entry of a map.
const (
	mapKey   = 1
	mapValue = 2
)

// value appends the one field of a Value, be it zero.
func (w *writer) value(v *structpb.Value) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		w.to = append(w.to, byte(valueNull), 0)
		w.failed = w.failed || kind.NullValue != 0
	case *structpb.Value_NumberValue:
		w.to = protowire.AppendFixed64(append(w.to, byte(valueNumber)), math.Float64bits(kind.NumberValue))
	case *structpb.Value_StringValue:
		w.text(uint64(valueText>>3), kind.StringValue)
	case *structpb.Value_BoolValue:
		w.to = append(w.to, byte(valueTruth), byte(protowire.EncodeBool(kind.BoolValue)))
	case *structpb.Value_StructValue:
		at := w.open(uint64(valueStruct >> 3))
		w.object(kind.StructValue)
		w.shut(at)
	case *structpb.Value_ListValue:
		at := w.open(uint64(valueList >> 3))
		for _, element := range kind.ListValue.GetValues() {
			in := w.open(uint64(listValues >> 3))
			w.value(element)
			w.shut(in)
		}
		w.shut(at)
	}
}
