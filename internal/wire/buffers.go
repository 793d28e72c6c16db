package wire

import (
	"math/bits"
	"sync"
)

// Sizes of the buffers that are kept, as powers of two. What is larger comes rarely, and is made anew.
const (
	leastBits = 10
	mostBits  = 20
)

// buffers keeps buffers of messages that came in several frames, by size. gRPC's own pool knows two sizes above a frame's, 32 KiB and
// 1 MiB, and writes zeros all over a buffer before it lends it: for a message of 64 KiB that costs more than to read it.
type buffers struct {
	kept [mostBits - leastBits + 1]sync.Pool
}

// Get returns a buffer of a length. What is in it is of before.
func (b *buffers) Get(length int) *[]byte {
	i := max(0, bits.Len(uint(max(length, 1)-1))-leastBits) //nolint:gosec // At least 0.
	if i >= len(b.kept) {
		made := make([]byte, length)
		return &made
	}
	if kept, ok := b.kept[i].Get().(*[]byte); ok {
		*kept = (*kept)[:length]
		return kept
	}
	made := make([]byte, length, 1<<(i+leastBits))
	return &made
}

// Put takes a buffer back.
func (b *buffers) Put(buffer *[]byte) {
	if i := bits.Len(uint(cap(*buffer))) - 1 - leastBits; i >= 0 && i < len(b.kept) && cap(*buffer) == 1<<(i+leastBits) {
		b.kept[i].Put(buffer)
	}
}
