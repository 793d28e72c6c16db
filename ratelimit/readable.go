package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// readable returns the values of a bucket's key for people.
func (l *limit) readable(values []byte) []KeyValue {
	if l.late { // A hash already.
		return []KeyValue{{Part: strings.Join(l.parts, ", "), Value: "sha256:" + hex.EncodeToString(values)}}
	}
	read := keyValues(values)
	key := make([]KeyValue, 0, len(l.parts))
	for i, part := range l.parts {
		switch {
		case i >= len(read) || read[i] == nil:
			key = append(key, KeyValue{Part: part, Absent: true})
		case mayBeSecret(part):
			key = append(key, KeyValue{Part: part, Value: Fingerprint(*read[i])})
		default:
			value := *read[i]
			if len(value) > topValue {
				value = value[:topValue] + "..."
			}
			key = append(key, KeyValue{Part: part, Value: strings.ToValidUTF8(value, "\uFFFD")})
		}
	}
	return key
}

// Fingerprint returns what stands for a value that may be a secret: the beginning of its SHA-256.
func Fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:6])
}

// mayBeSecret reports whether a part of a key is a header or a query parameter by whose name it may hold a credential.
func mayBeSecret(part string) bool {
	kind, name, _ := strings.Cut(part, ".")
	if kind != "header" && kind != "query" {
		return false
	}
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "cookie", "key", "token", "secret", "session", "password", "signature", "credential", "jwt", "assertion", "code"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
