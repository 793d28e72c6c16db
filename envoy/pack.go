package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// packer packs messages into Any fields and keeps the first error, so that a builder stays one expression.
type packer struct{ err error }

// pack returns the message as an Any. Equal messages give equal bytes.
func (p *packer) pack(m proto.Message) *anypb.Any {
	packed, err := anypb.New(m)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("pack %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return packed
}
