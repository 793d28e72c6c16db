package ratelimit

import (
	"encoding/binary"

	"github.com/gatehouse/gatehouse/gateway"
)

// A bucket's key is, each text with its length before it so that no two joined texts look alike:
//
//	scope, name, window in nanoseconds, number of parts, name of each part, then each part's value
//
// A value that the request lacks is written as length 0, an empty value as 1, any other as its length plus 1. The rules hash
// and the number of the limit are not in it, so that an edit keeps what was spent.

// keyPrefix returns what the keys of all buckets of a limit begin with.
func keyPrefix(l gateway.Limit) []byte {
	key := appendText(nil, l.Scope)
	key = appendText(key, l.Name)
	key = binary.AppendUvarint(key, uint64(l.Windows[0].Per)) //nolint:gosec // Above 0 since Compile.
	key = binary.AppendUvarint(key, uint64(len(l.Key)))
	for _, part := range l.Key {
		key = appendText(key, part)
	}
	return key
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

func appendValue(key []byte, value string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(value))+1), value...)
}

func appendAbsent(key []byte) []byte { return append(key, 0) }
