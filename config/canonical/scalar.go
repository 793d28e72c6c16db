package canonical

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// quoted returns text as every reader of YAML takes it for text: in quotes, unless there is no doubt.
func quoted(text string) string {
	if isWord(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case printable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// isWord reports text that no reader takes for anything but text: no number, date, boolean or null of YAML 1.1 or 1.2, and no
// character that means something.
func isWord(text string) bool {
	if text == "" || len(text) > longKey || strings.IndexByte("-%:", text[0]) >= 0 || text[len(text)-1] == ':' {
		return false
	}
	numeric := true // Letters are those of hexadecimal digits, exponents and bases.
	for i := range len(text) {
		c := text[i]
		switch {
		case '0' <= c && c <= '9', strings.IndexByte("abcdefABCDEFxXoO_.-:", c) >= 0:
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z', strings.IndexByte("/%", c) >= 0:
			numeric = false
		case c == ' ' && 0 < i && i < len(text)-1 && text[i-1] != ':':
		default:
			return false
		}
	}
	if numeric && strings.IndexByte("0123456789.", text[0]) >= 0 {
		return false
	}
	return !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}, strings.ToLower(text))
}

// fingerprint stands for a secret: the same for the same one.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "(secret " + hex.EncodeToString(sum[:4]) + ")"
}
