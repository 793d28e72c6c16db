package check

import (
	"math"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/internal/wire"
)

// Fields of Metadata (envoy/config/core/v3/base.proto), and of Struct, Value and ListValue (google/protobuf/struct.proto).
const (
	metadataFilter = 1<<3 | wire.Bytes
	metadataTyped  = 2<<3 | wire.Bytes

	structFields = 1<<3 | wire.Bytes

	valueNull   = 1<<3 | wire.Varint
	valueNumber = 2<<3 | wire.Fixed64
	valueText   = 3<<3 | wire.Bytes
	valueTruth  = 4<<3 | wire.Varint
	valueStruct = 5<<3 | wire.Bytes
	valueList   = 6<<3 | wire.Bytes

	listValues = 1<<3 | wire.Bytes
)

// readMetadata reads what filters of Envoy, or a route, say: the claims of a token that was verified, among it.
func (q *Request) readMetadata(r *wire.Reader, m *corev3.Metadata) error {
	for r.Next() {
		switch r.Tag {
		case metadataFilter:
			if m.FilterMetadata == nil {
				m.FilterMetadata = make(map[string]*structpb.Struct, fewEntries)
			}
			q.readNamespace(r, m.FilterMetadata)
		case metadataTyped:
			if m.TypedFilterMetadata == nil {
				m.TypedFilterMetadata = map[string]*anypb.Any{}
			}
			readTyped(r, m.TypedFilterMetadata)
		}
	}
	return r.Err()
}

// readNamespace reads the field at hand, an entry of a map of objects.
func (q *Request) readNamespace(r *wire.Reader, to map[string]*structpb.Struct) {
	in, name, of := r.Message(), "", q.newStruct()
	for in.Next() {
		switch in.Tag {
		case wire.Key:
			name = in.Text()
		case wire.Value:
			value := in.Message()
			in.Fail(q.readStruct(&value, of))
		}
	}
	r.Fail(in.Err())
	to[name] = of
}

// readTyped reads the field at hand, an entry of a map of messages of any type.
func readTyped(r *wire.Reader, to map[string]*anypb.Any) {
	in, name, of := r.Message(), "", &anypb.Any{}
	for in.Next() {
		switch in.Tag {
		case wire.Key:
			name = in.Text()
		case wire.Value:
			merge(&in, of)
		}
	}
	r.Fail(in.Err())
	to[name] = of
}

func (q *Request) readStruct(r *wire.Reader, s *structpb.Struct) error {
	for r.Next() {
		if r.Tag != structFields {
			continue
		}
		if s.Fields == nil {
			s.Fields = make(map[string]*structpb.Value, 1+r.Count(structFields))
		}
		in, name, of := r.Message(), "", q.newValue()
		for in.Next() {
			switch in.Tag {
			case wire.Key:
				name = in.Text()
			case wire.Value:
				value := in.Message()
				in.Fail(q.readValue(&value, of))
			}
		}
		r.Fail(in.Err())
		s.Fields[name] = of
	}
	return r.Err()
}

// readValue reads a Value. Of several kinds the last counts; several objects or lists are merged.
func (q *Request) readValue(r *wire.Reader, v *structpb.Value) error {
	for r.Next() {
		switch r.Tag {
		case valueNull:
			v.Kind = &structpb.Value_NullValue{NullValue: structpb.NullValue(r.Number())} //nolint:gosec // How an enumeration is written.
		case valueNumber:
			v.Kind = &structpb.Value_NumberValue{NumberValue: math.Float64frombits(r.Number())}
		case valueText:
			text := q.newText()
			text.StringValue = r.Text()
			v.Kind = text
		case valueTruth:
			v.Kind = &structpb.Value_BoolValue{BoolValue: r.Number() != 0}
		case valueStruct:
			s := v.GetStructValue()
			if s == nil {
				s = q.newStruct()
				v.Kind = &structpb.Value_StructValue{StructValue: s}
			}
			in := r.Message()
			r.Fail(q.readStruct(&in, s))
		case valueList:
			l := v.GetListValue()
			if l == nil {
				l = &structpb.ListValue{}
				v.Kind = &structpb.Value_ListValue{ListValue: l}
			}
			in := r.Message()
			r.Fail(q.readList(&in, l))
		}
	}
	return r.Err()
}

func (q *Request) readList(r *wire.Reader, l *structpb.ListValue) error {
	for r.Next() {
		if r.Tag != listValues {
			continue
		}
		v := q.newValue()
		l.Values = append(l.Values, v)
		in := r.Message()
		r.Fail(q.readValue(&in, v))
	}
	return r.Err()
}

func (q *Request) newStruct() *structpb.Struct { return next(&q.usedStructs, q.structs[:]) }
func (q *Request) newValue() *structpb.Value   { return next(&q.usedValues, q.values[:]) }

func (q *Request) newText() *structpb.Value_StringValue { return next(&q.usedTexts, q.texts[:]) }

// next returns a message that is not used yet: of those that were made together, or a new one.
func next[M any](used *int, of []M) *M {
	if *used == len(of) {
		return new(M)
	}
	*used++
	return &of[*used-1]
}
