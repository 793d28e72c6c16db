package explain

import (
	"encoding/hex"
	"strings"
)

// escapedSlash reports a path that every listener refuses (path_with_escaped_slashes_action).
func escapedSlash(path string) bool {
	upper := strings.ToUpper(path)
	return strings.Contains(upper, "%2F") || strings.Contains(upper, "%5C")
}

// normalised returns a path as Envoy makes it before it looks for a route: what need not be escaped is not (RFC 3986 2.3), dot
// segments are taken out (RFC 3986 5.2.4), then slashes that follow one another become one.
func normalised(path string) string {
	var kept []string
	segments := strings.Split(unescaped(path), "/")[1:]
	for i, s := range segments {
		dots, _, _ := strings.Cut(s, ";") // What stands behind a semicolon does not hide them.
		last := i == len(segments)-1
		switch {
		case dots == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case dots != "." && dots != "..":
			kept = append(kept, s)
		}
		if last && (dots == "." || dots == "..") {
			kept = append(kept, "")
		}
	}
	out := "/" + strings.Join(kept, "/")
	for strings.Contains(out, "//") {
		out = strings.ReplaceAll(out, "//", "/")
	}
	return out
}

// unescaped replaces the escapes of letters, digits, "-", ".", "_" and "~".
func unescaped(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := hex.DecodeString(path[i+1 : i+3]); err == nil && unreserved(c[0]) {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// spelt returns the first value of each query parameter, as it is spelt.
func spelt(query string) map[string]string {
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, twice := values[name]; !twice && pair != "" {
			values[name] = value
		}
	}
	return values
}
