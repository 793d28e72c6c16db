package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// trafficFields say what becomes of requests on their way to an Upstream, at every level.
type trafficFields struct {
	Mirror []mirrorFields `yaml:"mirror" by:"upstream" order:"none" single:"true" jsonschema:"minItems=1" doc:"Upstreams that get copies of the requests, with all they carry. Their answers are thrown away. The name alone will do."`
	Split  *splitFields   `yaml:"split" doc:"By what requests are shared out among several Upstreams: those alike in it go to the same one, also when weights change, but for as few as possible. At random where not said."`
}

type mirrorFields struct {
	Upstream name     `yaml:"upstream" jsonschema:"required" doc:"The name of an Upstream."`
	Percent  *percent `yaml:"percent" jsonschema:"default=100%" doc:"The share of the requests of which it gets a copy."`
}

func (mirrorFields) short() string { return "upstream" }

type splitFields struct {
	Header string `yaml:"header" doc:"The header of which requests with the same value stay together."`
	Cookie string `yaml:"cookie" doc:"The cookie of which requests with the same value stay together. Gatehouse sets none: requests without it are shared out at random."`
}

func (f *splitFields) lengthen() { f.Header = strings.ToLower(f.Header) }

// frontFields are a rewrite for a whole API.
type frontFields struct {
	Prefix *base `yaml:"prefix" doc:"What stands before every path on its way to the upstream, in place of the base."`
	Host   host  `yaml:"host" doc:"The host that the upstream is asked for."`
}

// answerFields say what becomes of requests in place of being forwarded, or how they are changed.
type answerFields struct {
	Rewrite  *rewriteFields    `yaml:"rewrite" doc:"What the upstream is asked for in place of the path below the base."`
	Redirect *redirectToFields `yaml:"redirect" doc:"Where clients are sent instead. The path alone will do. Who may call must be said all the same, and holds."`
	Respond  *respondFields    `yaml:"respond" doc:"The answer that Envoy gives by itself. Who may call must be said all the same, and holds."`
}

type rewriteFields struct {
	Path   *pathTemplate `yaml:"path" doc:"The path that the upstream is asked for: {name} for what stands in the path that was asked for, {1} for the first group of path-regex, /** at the end for the rest."`
	Prefix *base         `yaml:"prefix" doc:"What takes the place of all that stands before /** in the path: short for a path that ends in /**."`
	Host   host          `yaml:"host" doc:"The host that the upstream is asked for."`
}

func (f *rewriteFields) lengthen() { f.Path, f.Prefix = front(f.Path, f.Prefix) }

// front returns a prefix as the path that it is short for.
func front(path *pathTemplate, prefix *base) (*pathTemplate, *base) {
	if prefix == nil || path != nil {
		return path, prefix
	}
	p := gateway.Path{Prefix: true}.Join(string(*prefix))
	return &pathTemplate{Path: p}, nil
}

type redirectToFields struct {
	Scheme string        `yaml:"scheme" jsonschema:"enum=http,enum=https" doc:"The scheme. That of the request where not said."`
	Host   host          `yaml:"host" doc:"The host. That of the request where not said."`
	Port   int           `yaml:"port" jsonschema:"minimum=1,maximum=65535" doc:"The port. That of the request where neither it nor the host is said."`
	Path   *pathTemplate `yaml:"path" doc:"The path, as clients are to ask for it, base and all: {name} for what stands in the path that was asked for, /** at the end for the rest. That of the request where not said."`
	Prefix *base         `yaml:"prefix" doc:"What takes the place of all that stands before /** in the path, the base too: short for a path that ends in /**."`
	Status int           `yaml:"status" jsonschema:"minimum=301,maximum=308,default=307" doc:"The status: 301, 302, 303, 307 or 308. 307 keeps method and body, and no client remembers it."`
	Query  string        `yaml:"query" jsonschema:"enum=keep,enum=strip,default=keep" doc:"Whether the query goes along."`
}

func (redirectToFields) short() string { return "path" }

func (f *redirectToFields) lengthen() { f.Path, f.Prefix = front(f.Path, f.Prefix) }

type respondFields struct {
	Status *int      `yaml:"status" jsonschema:"minimum=200,maximum=599,default=200" doc:"The status."`
	Body   string    `yaml:"body" doc:"The body."`
	File   filePath  `yaml:"file" doc:"A file that holds the body, at most 128 KiB."`
	Type   mediaType `yaml:"type" doc:"The media type of the body. By the name of the file, or text/plain, where not said. Other headers stand under headers."`
}

// acts builds what an operation does with requests. at is the operation's field, or empty.
func (f *answerFields) acts(o *object, at string, traffic *trafficFields, forwards bool) gateway.Acts {
	out := gateway.Acts{
		Mirror: traffic.mirrors(), Split: traffic.split(o, join(at, "split")), Rewrite: f.Rewrite.rewrite(o, join(at, "rewrite")),
		Redirect: f.Redirect.redirect(o, join(at, "redirect")), Respond: f.Respond.respond(o, join(at, "respond")),
	}
	switch {
	case f.Redirect != nil && f.Respond != nil:
		o.fault(gateway.CodeAct, join(at, "respond"), "redirect and respond exclude one another: keep one")
	case out.Answers() && (forwards || f.Rewrite != nil || traffic.Mirror != nil || traffic.Split != nil):
		o.fault(gateway.CodeAct, at, "what is redirected or answered goes to no Upstream: remove to, rewrite, mirror and split, or redirect and respond")
	}
	return out
}

// acts builds what an API does with the requests of all its operations.
func (f *trafficFields) acts(o *object, rewrite *frontFields) gateway.Acts {
	out := gateway.Acts{Mirror: f.mirrors(), Split: f.split(o, "split")}
	if rewrite != nil {
		w := &rewriteFields{Prefix: rewrite.Prefix, Host: rewrite.Host}
		if out.Rewrite = w.rewrite(o, "rewrite"); rewrite.Prefix != nil && out.Rewrite != nil {
			out.Rewrite.Below = true
		}
	}
	return out
}

func (f *trafficFields) mirrors() []gateway.Mirror {
	return each(f.Mirror, func(m mirrorFields) gateway.Mirror {
		return gateway.Mirror{Upstream: string(m.Upstream), Percent: float64(value(m.Percent, 100))}
	})
}

func (f *trafficFields) split(o *object, at string) *gateway.Split {
	if f.Split == nil {
		return nil
	}
	switch s := f.Split; {
	case (s.Header == "") == (s.Cookie == ""):
		o.fault(gateway.CodeConflict, at, "requests are shared out by one thing: write either header or cookie")
	case s.Header != "":
		checkHeader(o, join(at, "header"), s.Header)
	case !every(s.Cookie, cookieCharacter):
		o.fault(gateway.CodeBadValue, join(at, "cookie"), "%q is no name of a cookie: write letters, digits, '-' and '_'", s.Cookie)
	}
	return &gateway.Split{Header: strings.ToLower(f.Split.Header), Cookie: f.Split.Cookie}
}

func (f *rewriteFields) rewrite(o *object, at string) *gateway.Rewrite {
	if f == nil {
		return nil
	}
	out := &gateway.Rewrite{Path: newPath(o, at, f.Path, f.Prefix), Host: string(f.Host)}
	wildcard(o, at, f.Host)
	if out.Path == nil && out.Host == "" && !o.blamed(at) {
		o.fault(gateway.CodeMissingField, at, "rewrite says nothing: write path, prefix or host, or remove it")
	}
	return out
}

func (f *redirectToFields) redirect(o *object, at string) *gateway.RedirectTo {
	if f == nil {
		return nil
	}
	out := &gateway.RedirectTo{
		Scheme: f.Scheme, Host: string(f.Host), Port: f.Port, Path: newPath(o, at, f.Path, f.Prefix), Status: f.Status, StripQuery: f.Query == "strip",
	}
	wildcard(o, at, f.Host)
	if out.Status == 0 {
		out.Status = http.StatusTemporaryRedirect
	}
	if !slices.Contains([]int{301, 302, 303, 307, 308}, out.Status) {
		o.fault(gateway.CodeBadValue, join(at, "status"), "%d is the status of no redirect: write 301, 302, 303, 307 or 308", out.Status)
	}
	if out.Scheme == "" && out.Host == "" && out.Port == 0 && out.Path == nil && !o.blamed(at) {
		o.fault(gateway.CodeMissingField, at, "this redirects clients to where they are: write scheme, host, port, path or prefix")
	}
	return out
}

// newPath returns the path that a template or a prefix means, in which nothing may be spelt that programs read in several ways.
func newPath(o *object, at string, path *pathTemplate, prefix *base) *gateway.Path {
	if path != nil && prefix != nil {
		o.fault(gateway.CodeConflict, join(at, "prefix"), "path and prefix exclude one another: keep one")
	}
	long, _ := front(path, prefix)
	if long == nil {
		return nil
	}
	for _, s := range long.Segments {
		text := strings.ToLower(s.Before + "{}" + s.After)
		for _, bad := range []string{"%2e", "%2f", "%5c", ";", "%{"} {
			if strings.Contains(text, bad) {
				o.fault(gateway.CodeRewrite, at, "the new path holds %q, which no two programs read alike: leave it out", bad)
			}
		}
	}
	return &long.Path
}

// wildcard reports a host that is no name.
func wildcard(o *object, at string, h host) {
	if strings.Contains(string(h), "*") {
		o.fault(gateway.CodeBadValue, join(at, "host"), "%q is no name of a host: write one without *", string(h))
	}
}

func (f *respondFields) respond(o *object, at string) *gateway.Respond {
	if f == nil {
		return nil
	}
	status := value(f.Status, http.StatusOK)
	body, media := content(o, at, f.Body, f.File, f.Type, maxRespond)
	if body != "" && (status == http.StatusNoContent || status == http.StatusNotModified) {
		o.fault(gateway.CodePage, at, "an answer %d has no body (RFC 9110 6.4.1): remove it, or write another status", status)
	}
	return &gateway.Respond{Status: status, Body: body, Type: media}
}

// Bounds on the bodies that Envoys keep: one of a route in bytes for each route, one of a page for each route of its API.
const (
	maxRespond = 128 << 10
	maxPage    = 16 << 10
)

// content returns a body and its media type.
func content(o *object, at, body string, file filePath, media mediaType, most int) (text, kind string) {
	switch {
	case body != "" && file != "":
		o.fault(gateway.CodeConflict, join(at, "file"), "body and file exclude one another: keep one")
	case file != "":
		read, _, ok := o.load.include(o, join(at, "file"), string(file))
		if !ok {
			return "", ""
		}
		body = string(read)
	}
	if len(body) > most {
		o.fault(gateway.CodePage, at, "the body has %d bytes, and Envoys keep at most %d: shorten it, or serve it from an Upstream", len(body), most)
		return "", ""
	}
	if body == "" {
		if media != "" {
			o.fault(gateway.CodeMissingField, at, "there is a media type and no body: write body or file, or remove type")
		}
		return "", ""
	}
	return body, or(string(media), mediaTypeOf(string(file)))
}

// mediaTypeOf returns the media type that the name of a file tells.
func mediaTypeOf(file string) string {
	for end, media := range map[string]string{
		".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".json": "application/json", ".xml": "application/xml",
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
	} {
		if strings.HasSuffix(strings.ToLower(file), end) {
			return media
		}
	}
	return "text/plain; charset=utf-8"
}

// pageFields are a body in place of a problem document.
type pageFields struct {
	Status   pageStatus `yaml:"status" jsonschema:"required" doc:"The status of the answer, as in 404, or a class, as in 5xx."`
	Body     string     `yaml:"body" doc:"The body."`
	File     filePath   `yaml:"file" doc:"A file that holds the body, at most 16 KiB."`
	Type     mediaType  `yaml:"type" doc:"The media type of the body. By the name of the file, or text/plain, where not said."`
	Upstream bool       `yaml:"upstream" jsonschema:"default=false" doc:"Whether the upstream's own answers of this status get the body too."`
}

func pages(o *object, list []pageFields) []gateway.Page {
	var out []gateway.Page
	for i, f := range list {
		at := fmt.Sprintf("pages[%d]", i)
		body, media := content(o, at, f.Body, f.File, f.Type, maxPage)
		switch {
		case f.Status == "":
			continue
		case body == "" && !o.blamed(at):
			o.fault(gateway.CodePage, at, "the page has no body: write body or file")
		case slices.ContainsFunc(out, func(p gateway.Page) bool { return p.Status == string(f.Status) }):
			o.fault(gateway.CodeDuplicate, join(at, "status"), "two pages are for the status %s: keep one", f.Status)
		case media == gateway.ProblemType:
			o.fault(gateway.CodePage, join(at, "type"), "a page takes the place of a problem document: write another type")
		}
		out = append(out, gateway.Page{Status: string(f.Status), Body: body, Type: media, Upstream: f.Upstream})
	}
	slices.SortFunc(out, gateway.ComparePages)
	return out
}
