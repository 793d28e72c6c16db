package ratelimit

import (
	"encoding/binary"

	"github.com/gatehouse/gatehouse/gateway"
)

// A bucket's key is, each text with its length before it so that no two joined texts look alike:
//
//	scope, name, window, number of parts, name of each part, then each part's value
//
// A value that the request lacks is written as length 0, an empty value as 1, any other as its length plus 1. The window is its
// length in nanoseconds where it slides; otherwise 0, its arithmetic, and its length or, of a quota, its period. The rules hash, the
// number of the limit, its burst, and where a period begins are not in it, so that an edit keeps what was spent. A Limit document's scope is
// "limit/NAME": all that name it share its buckets.

// keyPrefix returns what the keys of all buckets of a window begin with.
func keyPrefix(l gateway.Limit, w gateway.Window) []byte {
	key := appendText(nil, l.Scope)
	key = appendText(key, l.Name)
	if w.Arithmetic != gateway.Sliding {
		key = appendText(append(key, 0), string(w.Arithmetic))
	}
	if w.Arithmetic == gateway.Quota {
		key = appendText(key, string(w.Every))
	} else {
		key = binary.AppendUvarint(key, uint64(w.Per)) //nolint:gosec // Above 0 since Compile.
	}
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

// keyValues reads the values of a bucket's key behind its prefix: nil for one that the request lacks.
func keyValues(key []byte) []*string {
	var values []*string
	for len(key) > 0 {
		n, size := binary.Uvarint(key)
		if size <= 0 || n > uint64(len(key)-size)+1 {
			return values
		}
		if key = key[size:]; n == 0 {
			values = append(values, nil)
			continue
		}
		text := string(key[:n-1])
		values, key = append(values, &text), key[n-1:]
	}
	return values
}
