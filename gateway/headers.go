package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Headers are changes of a request on its way to the upstream, and of the response on its way to the client.
type Headers struct {
	Request  HeaderChanges
	Response HeaderChanges
}

// HeaderChanges say what becomes of headers. Each name, in lower case, stands in one of the lists only.
type HeaderChanges struct {
	Set    []Header `json:",omitempty"` // In place of whatever there is.
	Add    []Header `json:",omitempty"` // Beside whatever there is.
	Remove []string `json:",omitempty"`
}

// Header is a name and what its value is made of.
type Header struct {
	Name  string
	Value []HeaderPart
}

// HeaderPart is literal text, or what is known only when a request comes.
type HeaderPart struct {
	Text  string        `json:",omitempty"`
	Field RequestedPart `json:",omitempty"` // Where it is set, Text is empty.
}

// RequestedPart is what a value may take from a request.
type RequestedPart string

// The parts of a request that a header's value may hold, each written in braces: "{client.address}".
const (
	PartClientAddress RequestedPart = "client.address" // By the Gateway's trust.
	PartRequestID     RequestedPart = "request.id"     // As in the access log.
	PartRequestHost   RequestedPart = "request.host"
	PartRequestMethod RequestedPart = "request.method"
	PartRoute         RequestedPart = "route" // Name of the Route that answers.
)

// RequestedParts returns all of them.
func RequestedParts() []RequestedPart {
	return []RequestedPart{PartClientAddress, PartRequestID, PartRequestHost, PartRequestMethod, PartRoute}
}

const (
	maxHeaderName  = 256
	maxHeaderValue = 8 << 10
)

// ParseHeaderName returns a header's name in lower case, as HTTP/2 wants it (RFC 9113 8.2). The error says why a document may
// not change it: it is no name, it belongs to one connection, it says how the message is framed, or Gatehouse and Envoy tell
// something by it.
func ParseHeaderName(text string, response bool) (string, error) {
	name := strings.ToLower(text)
	switch {
	case name == "" || len(name) > maxHeaderName || strings.ContainsFunc(name, func(r rune) bool { return !tokenCharacter(r) }):
		return "", fmt.Errorf("%q is no name of a header: write letters, digits and '-'", text)
	case slices.Contains([]string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "http2-settings"}, name):
		return "", fmt.Errorf("%s belongs to one connection, and HTTP/2 refuses it: remove it", name)
	case name == "host":
		return "", fmt.Errorf("the host cannot be changed here: remove it")
	case slices.Contains([]string{"content-length", "expect", "grpc-status", "grpc-message"}, name):
		return "", fmt.Errorf("%s says how the message is framed, or how a call ended: remove it", name)
	case strings.HasPrefix(name, "x-gatehouse-") || strings.HasPrefix(name, "x-envoy-") || strings.HasPrefix(name, "x-ratelimit-"):
		return "", fmt.Errorf("%s is a header by which Gatehouse and Envoy speak: choose another name", name)
	case !response && slices.Contains([]string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-client-cert", "forwarded", "x-real-ip", "x-request-id"}, name):
		return "", fmt.Errorf("%s is Envoy's word about the request: choose another name", name)
	case response && name == "content-type":
		return "", fmt.Errorf("content-type says what the body is, also of the answers that Gatehouse gives: let the upstream set it")
	}
	return name, nil
}

// tokenCharacter reports a character of a header's name (RFC 9110 5.6.2).
func tokenCharacter(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// ParseHeaderValue reads a value: text, in which a part of the request stands in braces and a brace is written twice. The
// error says what to write instead.
func ParseHeaderValue(text string) ([]HeaderPart, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("the value is empty, and an empty header is not sent: write a value, or the name under remove")
	case len(text) > maxHeaderValue:
		return nil, fmt.Errorf("the value has %d bytes: at most %d are allowed", len(text), maxHeaderValue)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return nil, fmt.Errorf("the value holds a control character, such as the end of a line: write it on one line")
	case strings.TrimSpace(text) != text:
		return nil, fmt.Errorf("the value begins or ends with a blank, which is not sent: remove it")
	}
	var out []HeaderPart
	literal := ""
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			literal, rest = literal+rest, ""
			continue
		}
		literal, rest = literal+rest[:i], rest[i:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			literal, rest = literal+rest[:1], rest[2:]
			continue
		}
		part, after, found := strings.Cut(rest[1:], "}")
		if rest[0] == '}' || !found || !slices.Contains(RequestedParts(), RequestedPart(part)) {
			return nil, fmt.Errorf("there is nothing to put in place of %q: write {{ and }} for braces, or one of %s", rest, partNames())
		}
		if literal != "" {
			out = append(out, HeaderPart{Text: literal})
			literal = ""
		}
		out, rest = append(out, HeaderPart{Field: RequestedPart(part)}), after
	}
	if literal != "" {
		out = append(out, HeaderPart{Text: literal})
	}
	return out, nil
}

func partNames() string {
	var names []string
	for _, p := range RequestedParts() {
		names = append(names, "{"+string(p)+"}")
	}
	return strings.Join(names, ", ")
}

// Over returns these changes made over wider ones: of each header, the narrowest level that names it decides.
func (h Headers) Over(wider Headers) Headers {
	return Headers{Request: h.Request.over(wider.Request), Response: h.Response.over(wider.Response)}
}

func (c HeaderChanges) over(wider HeaderChanges) HeaderChanges {
	if c.empty() {
		return wider
	}
	own := map[string]bool{}
	for _, h := range slices.Concat(c.Set, c.Add) {
		own[h.Name] = true
	}
	for _, name := range c.Remove {
		own[name] = true
	}
	foreign := func(list []Header) []Header {
		return slices.DeleteFunc(slices.Clone(list), func(h Header) bool { return own[h.Name] })
	}
	out := HeaderChanges{
		Set: append(foreign(wider.Set), c.Set...), Add: append(foreign(wider.Add), c.Add...),
		Remove: append(slices.DeleteFunc(slices.Clone(wider.Remove), func(name string) bool { return own[name] }), c.Remove...),
	}
	byName := func(a, b Header) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortStableFunc(out.Set, byName)
	slices.SortStableFunc(out.Add, byName)
	slices.Sort(out.Remove)
	return out
}

func (c HeaderChanges) empty() bool { return len(c.Set)+len(c.Add)+len(c.Remove) == 0 }
