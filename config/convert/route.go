package convert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// route makes the documents of a route: one for each match of each rule.
func (c *converter) route(o *object, attached []attachment) {
	if len(attached) == 0 {
		o.path("spec", "rules").all()
		return
	}
	rules := o.path("spec", "rules").items()
	if len(rules) == 0 {
		o.path("spec").leave("it has no rule: it serves nothing")
		return
	}
	for i, rule := range rules {
		behind := ""
		if name := rule.field("name").text(); name != "" {
			behind = "-" + name
		} else if len(rules) > 1 {
			behind = fmt.Sprintf("-%d", i+1)
		}
		acts := c.acts(o, rule)
		matches := rule.field("matches").items()
		if len(matches) == 0 {
			matches = []node{{r: c.r, what: rule.what, file: rule.file, n: nil}}
		}
		for j, m := range matches {
			name := o.name + behind
			if len(matches) > 1 {
				name += fmt.Sprintf("-%d", j+1)
			}
			c.match(o, rule, m, name, attached, acts)
		}
	}
}

// match makes the document of one match.
func (c *converter) match(o *object, rule, v node, name string, attached []attachment, acts []canonical.Part) {
	read := readHTTP
	if o.kind == kindGRPCRoute {
		read = readGRPC
	}
	m, ok := read(v)
	if !ok {
		return
	}
	if v.n == nil {
		v = rule
	}
	if replacesPrefix(acts) && !strings.HasSuffix(m.path, "/**") { // HTTPPathModifier.type: such a rule is not accepted there.
		v.leave("ReplacePrefixMatch goes with a path of type PathPrefix only, there as here: the match is left out")
		return
	}
	expose := c.expose(v, m, attached)
	if len(expose) == 0 {
		return
	}
	d := &document{kind: "Route", name: c.named("Route", o.namespace+"/"+name+"/"+o.kind, name, o.namespace+"."+name, o.namespace+"."+name+"-grpc")}
	d.set("expose", list(expose...))
	d.set("match", m.value())
	d.set("authenticate", text("none"))
	d.fields = append(d.fields, acts...)
	c.documents = append(c.documents, d)
}

// replacesPrefix reports whether what a rule does is to replace as much of the path as its match is about.
func replacesPrefix(acts []canonical.Part) bool {
	return slices.ContainsFunc(acts, func(p canonical.Part) bool {
		return (p.Name == "rewrite" || p.Name == "redirect") && slices.ContainsFunc(p.Parts, func(p canonical.Part) bool { return p.Name == "prefix" })
	})
}

// expose returns where a match is served. What an earlier match with the same conditions has already is left out.
func (c *converter) expose(v node, m matched, attached []attachment) []canonical.Value {
	hosts := map[string][]string{} // By Gateway; an empty one for every host.
	for _, a := range attached {
		gateway := c.gatewayName(a.gateway, a.listener)
		for _, h := range slices.Concat(a.hosts, everyHost(a.hosts)) {
			if slices.Contains(hosts[gateway], h) {
				continue
			}
			place := gateway + " " + h + " "
			if first, ok := c.taken[place+m.key()]; ok && first.n != v.n {
				v.leave("%s has the same conditions on host %s, and comes before it by age and name: this one is never reached there", first.what, cmp.Or(h, "*"))
				continue
			}
			if first, ok := c.ranks[place+m.rank()]; ok && first.n != v.n {
				v.leave("a request on host %s can match this and %s alike, where the Gateway API takes the older: here the conditions themselves decide", cmp.Or(h, "*"), first.what)
			} else {
				c.ranks[place+m.rank()] = v
			}
			c.taken[place+m.key()] = v
			hosts[gateway] = append(hosts[gateway], h)
		}
	}
	var out []canonical.Value
	for _, gateway := range slices.Sorted(maps.Keys(hosts)) {
		own := slices.Sorted(slices.Values(hosts[gateway]))
		if own[0] == "" {
			own = nil
		}
		out = append(out, mapping("gateway", gateway, "hosts", textList(own)))
	}
	return out
}

// everyHost returns the empty host where there are no hosts.
func everyHost(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{""}
	}
	return nil
}

// matched is a match as a document has it.
type matched struct {
	path, regex, method string
	headers, query      map[string]canonical.Value
}

func (m matched) value() canonical.Value {
	return mapping("method", m.method, "path", m.path, "path-regex", m.regex, "headers", conditions(m.headers), "query", conditions(m.query))
}

func conditions(of map[string]canonical.Value) canonical.Value {
	out := canonical.Value{Shape: canonical.Mapping}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out.Parts = append(out.Parts, canonical.Part{Name: name, Value: of[name]})
	}
	return out
}

// key returns all that a match says.
func (m matched) key() string { return canonical.Line(m.value()) }

// rank returns what the Gateway API orders matches by (HTTPRouteRule.matches): the path, whether there is a method, and how many headers
// and query parameters there are.
func (m matched) rank() string {
	return strings.Join([]string{m.path, m.regex, m.method, fmt.Sprint(len(m.headers)), fmt.Sprint(len(m.query))}, "\x00")
}

// readHTTP reads a match of an HTTPRoute; ok is false where it cannot be carried over, which is told.
func readHTTP(v node) (m matched, ok bool) {
	m = matched{method: v.field("method").text()}
	path := v.field("path")
	value := cmp.Or(path.field("value").text(), "/")
	switch kind := cmp.Or(path.field("type").text(), "PathPrefix"); kind {
	case "Exact":
		m.path = value
	case "PathPrefix":
		m.path = strings.TrimSuffix(value, "/") + "/**"
	case "RegularExpression":
		m.regex = value
		if !strings.HasPrefix(value, "/") {
			path.leave("a regular expression begins with a slash here, as all paths do: the match is left out")
			return m, false
		}
	default:
		path.leave("paths of type %s are not converted: the match is left out", kind)
		return m, false
	}
	if strings.ContainsAny(strings.TrimSuffix(m.path, "/**"), "{}*?#") {
		path.leave("{, }, *, ? and # stand for something else in a path here: the match is left out")
		return m, false
	}
	m.headers, ok = pairsOf(v.field("headers"))
	if !ok {
		return m, false
	}
	m.query, ok = pairsOf(v.field("queryParams"))
	return m, ok
}

// pairsOf reads conditions on headers or query parameters. Of several with one name the first counts (HTTPHeaderMatch.name).
func pairsOf(v node) (map[string]canonical.Value, bool) {
	out := map[string]canonical.Value{}
	for _, item := range v.items() {
		name, value := strings.ToLower(item.field("name").text()), item.field("value").text()
		if strings.HasSuffix(v.what, "queryParams") {
			name = item.field("name").text()
		}
		kind := cmp.Or(item.field("type").text(), "Exact")
		if _, again := out[name]; again {
			item.leave("of several conditions on %s the first counts", name)
			continue
		}
		switch kind {
		case "Exact":
			out[name] = text(value)
		case "RegularExpression":
			out[name] = mapping("regex", value)
		default:
			item.leave("conditions of type %s are not converted: the match is left out", kind)
			return nil, false
		}
	}
	return out, true
}

// readGRPC reads a match of a GRPCRoute in the same way.
func readGRPC(v node) (m matched, ok bool) {
	m = matched{method: "POST"}
	method := v.field("method")
	service, name := method.field("service").text(), method.field("method").text()
	switch kind := cmp.Or(method.field("type").text(), "Exact"); {
	case kind == "RegularExpression":
		m.regex = "/(?:" + cmp.Or(service, "[^/]+") + ")/(?:" + cmp.Or(name, "[^/]+") + ")"
	case kind != "Exact":
		method.leave("methods of type %s are not converted: the match is left out", kind)
		return m, false
	case service == "" && name == "":
		m.path = "/**"
	case service == "":
		m.regex = "/[^/]+/" + name
	case name == "":
		m.path = "/" + service + "/**"
	default:
		m.path = "/" + service + "/" + name
	}
	m.headers, ok = pairsOf(v.field("headers"))
	return m, ok
}
