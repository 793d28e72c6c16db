package authz

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxExact is the largest integer up to which every integer is a float64.
const maxExact = 1 << 53

// structure returns a builder for the needed fields of a Struct.
func structure(n *need) build[*structpb.Struct] {
	b := entries(n, jsonValue)
	return func(s *structpb.Struct) *ast.Term { return b(s.GetFields()) }
}

// jsonValue returns a builder for a Value: of an object only the needed fields, anything else whole.
func jsonValue(n *need) build[*structpb.Value] {
	if n.all {
		return wholeValue
	}
	fields := structure(n)
	return func(v *structpb.Value) *ast.Term {
		if s, ok := v.GetKind().(*structpb.Value_StructValue); ok {
			return fields(s.StructValue)
		}
		return wholeValue(v)
	}
}

func wholeValue(v *structpb.Value) *ast.Term {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return ast.StringTerm(kind.StringValue)
	case *structpb.Value_BoolValue:
		return ast.InternedTerm(kind.BoolValue)
	case *structpb.Value_NumberValue:
		return numberTerm(kind.NumberValue)
	case *structpb.Value_ListValue:
		terms := make([]*ast.Term, len(kind.ListValue.GetValues()))
		for i, v := range kind.ListValue.GetValues() {
			terms[i] = wholeValue(v)
		}
		return ast.ArrayTerm(terms...)
	case *structpb.Value_StructValue:
		pairs := make([][2]*ast.Term, 0, len(kind.StructValue.GetFields()))
		for k, v := range kind.StructValue.GetFields() {
			pairs = append(pairs, [2]*ast.Term{ast.StringTerm(k), wholeValue(v)})
		}
		return ast.ObjectTerm(pairs...)
	}
	return ast.InternedNullTerm
}

// numberTerm returns a number spelt as protojson spells it. Infinity and NaN, which JSON cannot express, become null.
func numberTerm(f float64) *ast.Term {
	if f == math.Trunc(f) && math.Abs(f) <= maxExact {
		return ast.InternedTerm(int64(f))
	}
	spelt, err := json.Marshal(f)
	if err != nil {
		return ast.InternedNullTerm
	}
	return ast.NumberTerm(json.Number(spelt))
}

// messageTerm converts a message by way of protojson: slow and exact, for what policies rarely read. It returns nil for no
// message and for one that JSON cannot express.
func messageTerm[M any, P interface {
	*M
	proto.Message
}](m P) *ast.Term {
	if m == nil {
		return nil
	}
	spelt, err := protojson.Marshal(m)
	if err != nil {
		return nil
	}
	term, err := jsonTerm(spelt)
	if err != nil {
		return nil
	}
	return term
}

// jsonTerm reads JSON, keeping numbers as they are spelt. Anything behind the first value is an error.
func jsonTerm(text []byte) (*ast.Term, error) {
	var x any
	if err := util.UnmarshalJSON(text, &x); err != nil {
		return nil, err
	}
	value, err := ast.InterfaceToValue(x)
	if err != nil {
		return nil, err
	}
	return ast.NewTerm(value), nil
}

// toObject converts what a document holds; nothing becomes an empty object.
func toObject(m map[string]any) (ast.Object, error) {
	if len(m) == 0 {
		return ast.NewObject(), nil
	}
	value, err := ast.InterfaceToValue(m)
	if err != nil {
		return nil, err
	}
	object, ok := value.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", ast.ValueName(value))
	}
	return object, nil
}

// maxDepth is how deep dynamic metadata may nest. Each level costs three of the hundred that protobuf allows in Envoy, which
// would take a deeper answer for an error.
const maxDepth = 24

// toStruct converts an object; nil where a key is no text, a value is not JSON, or it nests deeper than the given levels.
func toStruct(o ast.Object, levels int) *structpb.Struct {
	s := &structpb.Struct{Fields: make(map[string]*structpb.Value, o.Len())}
	for _, k := range o.Keys() {
		key, ok := k.Value.(ast.String)
		value := toValue(o.Get(k).Value, levels-1)
		if !ok || value == nil {
			return nil
		}
		s.Fields[validText(string(key))] = value
	}
	return s
}

func toValue(v ast.Value, levels int) *structpb.Value {
	if levels <= 0 {
		return nil
	}
	switch v := v.(type) {
	case ast.Null:
		return structpb.NewNullValue()
	case ast.Boolean:
		return structpb.NewBoolValue(bool(v))
	case ast.String:
		return structpb.NewStringValue(validText(string(v)))
	case ast.Number:
		if f, ok := v.Float64(); ok {
			return structpb.NewNumberValue(f)
		}
	case *ast.Array, ast.Set:
		return toList(v, levels)
	case ast.Object:
		if s := toStruct(v, levels); s != nil {
			return structpb.NewStructValue(s)
		}
	}
	return nil
}

func toList(v ast.Value, levels int) *structpb.Value {
	list := &structpb.ListValue{}
	whole := true
	each(v, func(element ast.Value) {
		converted := toValue(element, levels-1)
		whole = whole && converted != nil
		list.Values = append(list.Values, converted)
	})
	if !whole {
		return nil
	}
	return structpb.NewListValue(list)
}

// validText replaces what is not UTF-8: protobuf would refuse the whole answer for it.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
