//go:build e2e

package e2e_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// rewrite shows every message inside a message to edit, the innermost first, also those that are packed into an Any, and
// keeps what edit changes.
func rewrite(t *testing.T, m proto.Message, edit func(proto.Message)) {
	t.Helper()
	if packed, ok := m.(*anypb.Any); ok && packed.TypeUrl != "" { // Something that is on or off has no more to it.
		inner, err := packed.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, inner, edit)
		if err := anypb.MarshalFrom(packed, inner, proto.MarshalOptions{Deterministic: true}); err != nil {
			t.Fatal(err)
		}
		return
	}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					rewrite(t, v.Message().Interface(), edit)
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				rewrite(t, v.List().Get(i).Message().Interface(), edit)
			}
		default:
			rewrite(t, v.Message().Interface(), edit)
		}
		return true
	})
	edit(m)
}
