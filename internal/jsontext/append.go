// Package jsontext writes JSON into byte slices, where a reflecting encoder would cost more than what is written.
//
// In: strings, numbers, and the bytes written so far. Out: those bytes with more JSON behind them.
package jsontext

import (
	"strconv"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// String appends text as a JSON string (RFC 8259, section 7). Bytes that are no UTF-8 become U+FFFD.
func String(to []byte, text string) []byte {
	to = append(to, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			to = append(to, text[from:i]...)
			to = escape(to, c)
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			to = append(to, text[from:i]...)
			to = append(to, "\uFFFD"...)
			from = i + 1
		}
		i += size
	}
	to = append(to, text[from:]...)
	return append(to, '"')
}

func escape(to []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(to, '\\', c)
	case '\n':
		return append(to, '\\', 'n')
	case '\r':
		return append(to, '\\', 'r')
	case '\t':
		return append(to, '\\', 't')
	}
	return append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Key appends the name of an object's member and its colon, after a comma where the object has members already.
func Key(to []byte, name string) []byte {
	if n := len(to); n > 0 && to[n-1] != '{' {
		to = append(to, ',')
	}
	return append(String(to, name), ':')
}

// Text appends a member that is a string, and nothing where that is empty.
func Text(to []byte, name, text string) []byte {
	if text == "" {
		return to
	}
	return String(Key(to, name), text)
}

// Int appends a member that is a number, and nothing where that is zero.
func Int(to []byte, name string, number int64) []byte {
	if number == 0 {
		return to
	}
	return strconv.AppendInt(Key(to, name), number, 10)
}

// Texts appends a member that is a list of strings, and nothing where that is empty.
func Texts(to []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return to
	}
	to = append(Key(to, name), '[')
	for i, text := range list {
		if i > 0 {
			to = append(to, ',')
		}
		to = String(to, text)
	}
	return append(to, ']')
}
