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
	// Keep are those of HiddenHeaders that stay: of a response only.
	Keep []string `json:",omitempty"`
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
	out.Keep = slices.Compact(slices.Sorted(slices.Values(slices.Concat(wider.Keep, c.Keep))))
	return out
}

func (c HeaderChanges) empty() bool { return len(c.Set)+len(c.Add)+len(c.Remove)+len(c.Keep) == 0 }
