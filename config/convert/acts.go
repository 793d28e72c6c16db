package convert

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// acts returns what a rule does with a request, as fields of a document.
func (c *converter) acts(o *object, rule node) []canonical.Part {
	var d document
	var request, response, mirrors canonical.Value
	redirects := false
	for _, f := range rule.field("filters").items() {
		switch kind := f.field("type").text(); kind {
		case "RequestHeaderModifier":
			request = headerChanges(f.field("requestHeaderModifier"))
		case "ResponseHeaderModifier":
			response = headerChanges(f.field("responseHeaderModifier"))
		case "RequestRedirect":
			redirects = true
			d.set("redirect", redirect(f.field("requestRedirect")))
		case "URLRewrite":
			d.set("rewrite", rewrite(f.field("urlRewrite")))
		case "RequestMirror":
			mirrors = appended(mirrors, c.mirror(o, f.field("requestMirror")))
		case "CORS":
			d.set("cors", cors(f.field("cors")))
		default:
			f.leave("filters of type %s are not converted", kind)
		}
	}
	d.set("headers", mapping("request", request, "response", response))
	if !redirects {
		to := c.backends(o, rule)
		if len(to.Parts) == 0 { // HTTPRouteRule.backendRefs: without one that can be asked, 500.
			d.fields = nil
			d.set("respond", mapping("status", 500))
			return d.fields
		}
		d.set("to", to)
		d.set("mirror", mirrors)
	}
	timeouts := rule.field("timeouts")
	d.set("timeouts", mapping("request", duration(timeouts.field("request")), "try", duration(timeouts.field("backendRequest"))))
	return d.fields
}

// appended adds an item to a list, unless it is empty.
func appended(to canonical.Value, item canonical.Value) canonical.Value {
	if len(item.Parts) == 0 {
		return to
	}
	to.Shape = canonical.List
	to.Parts = append(to.Parts, canonical.Part{Index: len(to.Parts), Value: item})
	return to
}

// headerChanges reads a header modifier.
func headerChanges(v node) canonical.Value {
	named := func(list node) canonical.Value {
		out := canonical.Value{Shape: canonical.Mapping}
		for _, item := range list.items() {
			out.Parts = append(out.Parts, canonical.Part{
				Name: strings.ToLower(item.field("name").text()), Value: text(item.field("value").text()),
			})
		}
		return out
	}
	var remove []string
	for _, item := range v.field("remove").items() {
		remove = append(remove, strings.ToLower(item.text()))
	}
	return mapping("set", named(v.field("set")), "add", named(v.field("add")), "remove", textList(remove))
}

// redirect reads a RequestRedirect. Its status is 302 where it says none, and its port that of its scheme (HTTPRequestRedirectFilter.port).
func redirect(v node) canonical.Value {
	status, port, scheme := v.field("statusCode").number(302), v.field("port").number(0), v.field("scheme").text()
	if port == 0 && v.field("hostname").text() == "" { // Otherwise the port is that of the request.
		port = map[string]int{"http": 80, "https": 443}[scheme]
	}
	pairs := []any{"scheme", scheme, "host", v.field("hostname").text()}
	if port != 0 {
		pairs = append(pairs, "port", port)
	}
	pairs = append(pairs, replacing(v.field("path"))...)
	return mapping(append(pairs, "status", status)...)
}

// rewrite reads a URLRewrite.
func rewrite(v node) canonical.Value {
	return mapping(append(replacing(v.field("path")), "host", v.field("hostname").text())...)
}

// replacing reads how a path is replaced: whole, or as much of it as the match is about.
func replacing(v node) []any {
	switch v.field("type").text() {
	case "ReplaceFullPath":
		return []any{"path", cmp.Or(v.field("replaceFullPath").text(), "/")}
	case "ReplacePrefixMatch":
		return []any{"prefix", cmp.Or(strings.TrimSuffix(v.field("replacePrefixMatch").text(), "/"), "/")}
	}
	return nil
}

// mirror reads a RequestMirror.
func (c *converter) mirror(o *object, v node) canonical.Value {
	upstream := c.backend(o, v.field("backendRef"))
	if upstream == "" {
		return canonical.Value{}
	}
	share := 100.0
	if percent := v.field("percent"); percent.there() {
		share = float64(percent.number(100))
	}
	if fraction := v.field("fraction"); fraction.there() {
		share = 100 * float64(fraction.field("numerator").number(0)) / float64(max(1, fraction.field("denominator").number(100)))
	}
	if share == 100 {
		return mapping("upstream", upstream)
	}
	return mapping("upstream", upstream, "percent", strconv.FormatFloat(share, 'f', -1, 64)+"%")
}

// cors reads a CORS filter (HTTPCORSFilter).
func cors(v node) canonical.Value {
	texts := func(name string) canonical.Value {
		var out []string
		for _, item := range v.field(name).items() {
			out = append(out, item.text())
		}
		return textList(out)
	}
	pairs := []any{"origins", texts("allowOrigins"), "methods", texts("allowMethods"), "headers", texts("allowHeaders"), "expose", texts("exposeHeaders")}
	if v.field("allowCredentials").text() == "true" {
		pairs = append(pairs, "credentials", true)
	}
	if age := v.field("maxAge").number(0); age > 0 {
		pairs = append(pairs, "max-age", fmt.Sprintf("%ds", age))
	}
	return mapping(pairs...)
}

// duration reads a duration (GEP-2257), which is written alike here. One of nothing means none there.
func duration(v node) string {
	if v.text() == "0s" || v.text() == "0" {
		v.leave("no timeout at all cannot be said: the usual one holds")
		return ""
	}
	return v.text()
}

// backends returns where the requests of a rule go.
func (c *converter) backends(o *object, rule node) canonical.Value {
	var out canonical.Value
	weight := 0
	for _, ref := range rule.field("backendRefs").items() {
		for _, f := range ref.field("filters").items() {
			f.leave("a filter of one backend alone is not converted")
		}
		share := ref.field("weight").number(1)
		upstream := c.backend(o, ref)
		if upstream == "" {
			continue
		}
		weight += share
		if share == 1 {
			out = appended(out, mapping("upstream", upstream))
		} else {
			out = appended(out, mapping("upstream", upstream, "weight", share))
		}
	}
	if weight == 0 {
		return canonical.Value{}
	}
	return out
}

// backend returns the name of the Upstream of a reference, empty where it refers to nothing that can be asked.
func (c *converter) backend(o *object, ref node) string {
	name, namespace, port := ref.field("name").text(), cmp.Or(ref.field("namespace").text(), o.namespace), ref.field("port").number(0)
	if kind := cmp.Or(ref.field("kind").text(), "Service"); kind != "Service" || ref.field("group").text() != "" {
		ref.leave("backends of kind %s are not converted", kind)
		return ""
	}
	if namespace != o.namespace && !c.granted(o, namespace, name) {
		ref.leave("no ReferenceGrant in the namespace %s allows it, and the Gateway API answers its share with 500: here the others get it", namespace)
		return ""
	}
	key := fmt.Sprintf("%s/%s:%d", namespace, name, port)
	proposals := []string{name, fmt.Sprintf("%s-%d", name, port), fmt.Sprintf("%s.%s-%d", namespace, name, port)}
	if o.kind == kindGRPCRoute {
		key += " grpc"
		proposals = append(proposals, proposals[2]+"-grpc")
	}
	if d := c.upstreams[key]; d != nil {
		return d.name
	}
	d := &document{kind: "Upstream", name: c.named("Upstream", key, proposals...)}
	address := fmt.Sprintf("%s.%s.svc.cluster.local:%d", name, namespace, port)
	d.set("endpoints", list(mapping("address", address)))
	if o.kind == kindGRPCRoute {
		d.set("protocol", text("http2"))
	}
	c.upstreams[key], c.documents = d, append(c.documents, d)
	ref.leave("say in the Upstream %s where the Service %s/%s is reached: its name, %s, means something in its cluster only", d.name, namespace, name, address)
	return d.name
}

// granted reports whether a ReferenceGrant lets a route refer to a Service of another namespace.
func (c *converter) granted(o *object, namespace, name string) bool {
	for _, g := range c.grants {
		if g.namespace != namespace {
			continue
		}
		from, to := false, false
		for _, f := range g.path("spec", "from").items() {
			from = from || f.field("kind").text() == o.kind && f.field("namespace").text() == o.namespace && f.field("group").text() == gatewayGroup
		}
		for _, t := range g.path("spec", "to").items() {
			only := t.field("name").text()
			to = to || t.field("kind").text() == "Service" && (only == "" || only == name)
		}
		if from && to {
			return true
		}
	}
	return false
}
