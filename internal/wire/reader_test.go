package wire_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse/gatehouse/internal/wire"
)

// TestReader holds what a reader makes of fields of every kind.
func TestReader(t *testing.T) {
	t.Parallel()
	var in []byte
	in = protowire.AppendVarint(protowire.AppendTag(in, 1, protowire.VarintType), 300)
	in = protowire.AppendString(protowire.AppendTag(in, 2, protowire.BytesType), "text")
	in = protowire.AppendFixed64(protowire.AppendTag(in, 3, protowire.Fixed64Type), 1<<60)
	in = protowire.AppendFixed32(protowire.AppendTag(in, 4, protowire.Fixed32Type), 7)
	in = append(in, 5<<3|3, 1<<3, 1, 5<<3|4) // A group.
	in = protowire.AppendBytes(protowire.AppendTag(in, 6, protowire.BytesType), []byte{1<<3 | 2, 1, 'k', 2<<3 | 2, 1, 'v'})
	in = protowire.AppendString(protowire.AppendTag(in, 2, protowire.BytesType), "again")
	r := wire.NewReader(in)
	if n := r.Count(2<<3 | wire.Bytes); n != 2 {
		t.Errorf("%d texts are counted", n)
	}
	var number, fixed uint64
	var texts []string
	var key, value string
	for r.Next() {
		switch r.Tag {
		case 1<<3 | wire.Varint:
			number = r.Number()
		case 2<<3 | wire.Bytes:
			texts = append(texts, r.Text())
		case 3<<3 | wire.Fixed64:
			fixed = r.Number()
		case 6<<3 | wire.Bytes:
			key, value = r.TextEntry()
		case 2<<3 | wire.Varint:
			t.Error("a field is taken for another")
		}
	}
	if err := r.Err(); err != nil || number != 300 || fixed != 1<<60 || len(texts) != 2 || texts[1] != "again" || key != "k" || value != "v" {
		t.Errorf("got %d, %d, %q, %q: %q, error %v", number, fixed, texts, key, value, err)
	}
}

// TestNoMessage holds what is refused.
func TestNoMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"half a tag":         {[]byte{0x80}, wire.ErrMalformed},
		"number 0":           {[]byte{0x02, 0x00}, wire.ErrMalformed},
		"too large a number": {protowire.AppendVarint(nil, 1<<32|2), wire.ErrMalformed},
		"a length beyond":    {[]byte{0x0a, 0x02, 'x'}, wire.ErrMalformed},
		"a huge length":      {[]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, wire.ErrMalformed},
		"half a number":      {[]byte{0x08, 0xff}, wire.ErrMalformed},
		"half a double":      {[]byte{0x09, 1, 2, 3}, wire.ErrMalformed},
		"the end of a group": {[]byte{0x0c}, wire.ErrMalformed},
		"no kind":            {[]byte{0x0f}, wire.ErrMalformed},
		"no UTF-8":           {[]byte{0x0a, 0x01, 0xff}, wire.ErrNotUTF8},
	} {
		r := wire.NewReader(c.in)
		for r.Next() {
			if r.Tag == 1<<3|wire.Bytes {
				_ = r.Text()
			}
		}
		if !errors.Is(r.Err(), c.want) {
			t.Errorf("%s: error %v", name, r.Err())
		}
	}
}
