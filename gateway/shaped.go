package gateway

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Shaped is one thing that becomes of a request or its response on their way, in the words of the documents.
type Shaped struct {
	What string `json:"what"` // The field that says it.
	How  string `json:"how"`
}

// Shaped returns what becomes of a route's requests and responses, in the order in which requests meet it.
func (r *Route) Shaped() []Shaped {
	s := &r.Shaping
	var out []Shaped
	add := func(what, format string, args ...any) { out = append(out, Shaped{what, fmt.Sprintf(format, args...)}) }
	if c := s.Compression; c != nil {
		add("compress", "%s, from %d bytes, of %d content types", joined(c.Algorithms), c.Minimum, len(c.Types))
	}
	if s.CORS != nil {
		add("cors", "%s", s.CORS.words())
	}
	if s.GRPCWeb != nil {
		add("grpc-web", "calls of gRPC-Web become calls of gRPC")
	}
	if s.Addresses != nil {
		add("addresses", "%s", s.Addresses.words())
	}
	for _, l := range r.LocalLimits() {
		by := ""
		if len(l.Key) > 0 {
			by = " for each " + strings.Join(l.Key, ", ")
		}
		add("limits", "%s: each Envoy lets %s through by itself%s", l.Name, l.Windows[0].String(), by)
	}
	if r.Action != ActionForward {
		return out
	}
	if s.MaxBody != nil {
		add("max-body", "%d bytes", *s.MaxBody)
	}
	if s.Faults != nil {
		add("faults", "%s", s.Faults.words())
	}
	if q := s.Query; q != nil {
		add("query", "%s", strings.Join(changed(mapped(q.Set, parameterName), mapped(q.Add, parameterName), q.Remove), "; "))
	}
	if b := s.Body; b != nil {
		add("body", "%s", b.words())
	}
	if s.Transcoding != nil {
		add("transcode", "JSON becomes calls of %s", strings.Join(s.Transcoding.Services, ", "))
	}
	headers := func(what string, c HeaderChanges) {
		if c.empty() {
			return
		}
		how := changed(mapped(c.Set, headerName), mapped(c.Add, headerName), c.Remove)
		if len(c.Keep) > 0 {
			how = append(how, "keeps "+strings.Join(c.Keep, ", "))
		}
		add(what, "%s", strings.Join(how, "; "))
	}
	headers("request headers", r.Headers.Request)
	headers("response headers", r.Headers.Response)
	return out
}

func changed(set, added, removed []string) []string {
	var out []string
	for _, part := range []struct {
		word string
		list []string
	}{{"sets ", set}, {"adds ", added}, {"removes ", removed}} {
		if len(part.list) > 0 {
			out = append(out, part.word+strings.Join(part.list, ", "))
		}
	}
	return out
}

func mapped[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = name(v)
	}
	return out
}

func parameterName(p Parameter) string { return p.Name }

func headerName(h Header) string { return h.Name }

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func (c *CORS) words() string {
	all := append(append([]string{}, c.Origins...), c.Patterns...)
	text := "pages of " + strings.Join(all, ", ") + " may send " + strings.Join(c.Methods, ", ")
	if c.Credentials {
		text += ", with credentials"
	}
	return text
}

// Allows reports whether pages of an origin may call.
func (c *CORS) Allows(origin string) bool {
	for _, o := range c.Origins {
		before, after, wide := strings.Cut(o, "*.")
		switch {
		case o == AnyOrigin, !wide && o == origin:
			return true
		case wide && whole(regexp.QuoteMeta(before)+OriginLabels+regexp.QuoteMeta("."+after), origin):
			return true
		}
	}
	for _, p := range c.Patterns {
		if whole(p, origin) {
			return true
		}
	}
	return false
}

// whole reports whether an expression matches all of a text. One that cannot be read matches none.
func whole(expression, text string) bool {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && re.MatchString(text)
}

func (l *AddressLists) words() string {
	list := func(prefixes []netip.Prefix) string {
		texts := make([]string, len(prefixes))
		for i, p := range prefixes {
			texts[i] = p.String()
		}
		return strings.Join(texts, ", ")
	}
	var out []string
	if len(l.Allow) > 0 {
		out = append(out, "only from "+list(l.Allow))
	}
	if len(l.Deny) > 0 {
		out = append(out, "not from "+list(l.Deny))
	}
	return strings.Join(out, ", ")
}

func (f *Injection) words() string {
	var out []string
	if f.Delay > 0 {
		out = append(out, "waits "+f.Delay.String())
	}
	if f.Abort != 0 {
		out = append(out, "answers "+strconv.Itoa(f.Abort))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, for %g %% of the requests until %s", strings.Join(out, " and "), f.Percent, f.Until.Format(time.RFC3339))
	for _, h := range f.Headers {
		text.WriteString(", where there is " + h.Name)
		if len(h.Values) > 0 {
			text.WriteString(" " + strings.Join(h.Values, " or "))
		}
	}
	return text.String()
}

func (b *BodyChanges) words() string {
	var out []string
	for _, part := range []struct {
		of     BodyOf
		change *BodyChange
	}{{OfRequest, b.Request}, {OfResponse, b.Response}} {
		if part.change == nil {
			continue
		}
		var fields []string
		for _, f := range part.change.Fields {
			fields = append(fields, f.Name)
		}
		verb := ": sets "
		if part.change.Replace {
			verb = ": becomes "
		}
		out = append(out, string(part.of)+verb+strings.Join(fields, ", "))
	}
	return strings.Join(out, "; ")
}
