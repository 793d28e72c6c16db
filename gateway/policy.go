package gateway

import (
	"slices"
	"strings"
)

// ReadsBody reports whether the policy may read the body of a request, so that Envoy must be told to send it. It judges by
// the text alone and errs towards yes: a policy that says "body" (input.parsed_body, input.attributes.request.http.rawBody,
// input.truncated_body) may, and so may one that uses input as a whole (walk(input), input[name]). Lines that are comments
// do not count. A policy that copies a part of input and then computes the name "body" is not seen, and finds no body.
func (p *Policy) ReadsBody() bool {
	if p.Bundle != "" { // Nobody knows what it will hold.
		return true
	}
	if slices.ContainsFunc(p.Imported, (*Policy).ReadsBody) {
		return true
	}
	for line := range strings.Lines(p.Source) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Contains(strings.ToLower(line), "body") || usesWholeInput(line) {
			return true
		}
	}
	return false
}

// ReadsBody reports whether one of the route's policies may read the body of a request.
func (r *Route) ReadsBody() bool {
	for _, applied := range r.Authorize {
		if applied.Policy.ReadsBody() {
			return true
		}
	}
	return false
}

// ReadsMessages reports whether one of the route's policies reads bodies by descriptors, which are no text.
func (r *Route) ReadsMessages() bool {
	return slices.ContainsFunc(r.Authorize, func(a AppliedPolicy) bool { return len(a.Policy.Descriptors) > 0 })
}

// usesWholeInput reports whether a line of Rego names input other than by a literal part of it. Replacing input ("with
// input as") does not read it.
func usesWholeInput(line string) bool {
	const name = "input"
	for rest := line; ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return false
		}
		before, after := rest[:at], rest[at+len(name):]
		rest = after
		if isPartOfName(before, after) || strings.HasSuffix(strings.TrimRight(before, " \t"), "with") {
			continue
		}
		switch {
		case strings.HasPrefix(after, "."), strings.HasPrefix(after, `["`), strings.HasPrefix(after, "[`"):
		default:
			return true
		}
	}
}

// isPartOfName reports whether what stands around a word makes it part of a longer name or of a path.
func isPartOfName(before, after string) bool {
	if before != "" {
		if c := before[len(before)-1]; isWord(c) || c == '.' || c == '"' {
			return true
		}
	}
	return after != "" && isWord(after[0])
}

func isWord(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
