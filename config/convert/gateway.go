package convert

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// gatewayObject is a Gateway of the Gateway API.
type gatewayObject struct {
	*object

	listeners []*listenerObject
	// split says that some route attaches to some listeners only. A document says where an API is exposed by the name of a Gateway: each
	// listener gets one of its own then, all of one fleet.
	split bool
}

// listenerObject is a listener of it.
type listenerObject struct {
	node

	name, host, from string
	port             int
	certificates     []string
	usable           bool
}

// gateway reads a Gateway.
func (c *converter) gateway(o *object) *gatewayObject {
	g := &gatewayObject{object: o}
	spec := o.field("spec")
	spec.field("gatewayClassName").all()
	for _, l := range spec.field("listeners").items() {
		g.listeners = append(g.listeners, c.listener(g, l))
	}
	return g
}

func (c *converter) listener(g *gatewayObject, v node) *listenerObject {
	l := &listenerObject{node: v, name: v.field("name").text(), host: v.field("hostname").text(), port: v.field("port").number(0), usable: true}
	allowed := v.field("allowedRoutes")
	l.from = cmp.Or(allowed.path("namespaces", "from").text(), "Same")
	allowed.field("kinds").all()
	if l.from == "Selector" {
		allowed.path("namespaces", "selector").leave("labels of namespaces are not known here: routes of every namespace are taken")
		l.from = "All"
	}
	switch protocol := v.field("protocol").text(); protocol {
	case "HTTP":
	case "HTTPS":
		c.certificates(g, l, v.field("tls"))
	default:
		l.usable = false
		v.leave("protocol %s is not converted", protocol)
	}
	return l
}

// certificates reads with which certificates a listener meets clients.
func (c *converter) certificates(g *gatewayObject, l *listenerObject, tls node) {
	if mode := tls.field("mode"); mode.text() != "" && mode.text() != "Terminate" {
		l.usable = false
		mode.leave("only TLS that ends at the listener is converted")
		return
	}
	for _, ref := range tls.field("certificateRefs").items() {
		name, namespace := ref.field("name").text(), cmp.Or(ref.field("namespace").text(), g.namespace)
		ref.field("group").all()
		ref.field("kind").all()
		key := namespace + "/" + name
		_, known := c.names["Certificate "+key]
		document := &document{kind: "Certificate", name: c.named("Certificate", key, name, namespace+"."+name)}
		l.certificates = append(l.certificates, document.name)
		if known {
			continue
		}
		chain, private := "certificates/"+document.name+".crt", "certificates/"+document.name+".key"
		document.set("chain", text(chain))
		document.set("key", text(private))
		c.documents = append(c.documents, document)
		ref.leave("put tls.crt of the Secret %s into %s, and tls.key into %s", key, chain, private)
	}
}

// writeGateway makes the documents of a Gateway.
func (c *converter) writeGateway(g *gatewayObject) {
	var listeners []canonical.Value
	for _, l := range g.listeners {
		if !l.usable {
			continue
		}
		value := l.value()
		if !g.split {
			listeners = append(listeners, value)
			continue
		}
		own := &document{kind: kindGateway, name: c.gatewayName(g, l)}
		own.set("fleet", text(c.fleet(g)))
		own.set("listeners", list(value))
		c.documents = append(c.documents, own)
	}
	if len(listeners) == 0 {
		return
	}
	own := &document{kind: kindGateway, name: c.fleet(g)}
	own.set("listeners", list(listeners...))
	c.documents = append(c.documents, own)
}

// value returns a listener as a document has it.
func (l *listenerObject) value() canonical.Value {
	var hosts []string
	if l.host != "" {
		hosts = []string{l.host}
	}
	return mapping("name", l.name, "port", l.port, "hosts", textList(hosts), "tls", mapping("certificates", textList(l.certificates)))
}

// fleet returns the name of what serves a Gateway.
func (c *converter) fleet(g *gatewayObject) string {
	return c.named("fleet", g.namespace+"/"+g.name, g.name, g.namespace+"."+g.name)
}

// gatewayName returns the name of the document of a listener.
func (c *converter) gatewayName(g *gatewayObject, l *listenerObject) string {
	if !g.split {
		return c.fleet(g)
	}
	return c.fleet(g) + "-" + l.name
}

// attachment is one listener to which a route attaches, with the hosts that both have; none for every host.
type attachment struct {
	gateway  *gatewayObject
	listener *listenerObject
	hosts    []string
}

// attach finds the listeners to which a route attaches.
func (c *converter) attach(o *object) []attachment {
	var hosts []string
	for _, h := range o.path("spec", "hostnames").items() {
		hosts = append(hosts, strings.ToLower(h.text()))
	}
	var out []attachment
	for _, ref := range o.path("spec", "parentRefs").items() {
		out = append(out, c.attachTo(o, ref, hosts)...)
	}
	return out
}

func (c *converter) attachTo(o *object, ref node, hosts []string) []attachment {
	name, namespace := ref.field("name").text(), cmp.Or(ref.field("namespace").text(), o.namespace)
	section, port := ref.field("sectionName").text(), ref.field("port").number(0)
	group, kind := cmp.Or(ref.field("group").text(), gatewayGroup), cmp.Or(ref.field("kind").text(), kindGateway)
	i := slices.IndexFunc(c.gateways, func(g *gatewayObject) bool { return g.name == name && g.namespace == namespace })
	if i < 0 || kind != kindGateway || group != gatewayGroup {
		ref.leave("there is no %s %s/%s among the files: it serves nothing there", kind, namespace, name)
		return nil
	}
	g := c.gateways[i]
	var out []attachment
	usable := 0
	for _, l := range g.listeners {
		if !l.usable {
			continue
		}
		usable++
		if section != "" && section != l.name || port != 0 && port != l.port || l.from == "Same" && g.namespace != o.namespace || l.from == "None" {
			continue
		}
		if common, any := shared(l.host, hosts); any {
			out = append(out, attachment{g, l, common})
		}
	}
	if len(out) == 0 {
		ref.leave("no listener of the Gateway takes it: by the listeners' names, ports, hosts and allowedRoutes")
	}
	if section != "" || port != 0 || slices.ContainsFunc(g.listeners, func(l *listenerObject) bool { return l.from == "Same" }) && g.namespace != o.namespace {
		g.split = g.split || len(out) < usable && len(out) > 0
	}
	return out
}

// shared returns the hosts that a listener and a route have in common, none for every host; any is false where there are none in common.
func shared(listener string, route []string) (common []string, any bool) {
	listener = strings.ToLower(listener)
	switch {
	case len(route) == 0 && listener == "":
		return nil, true
	case len(route) == 0:
		return []string{listener}, true
	case listener == "":
		return route, true
	}
	for _, h := range route {
		switch {
		case covers(listener, h):
			common = append(common, h)
		case covers(h, listener):
			common = append(common, listener)
		}
	}
	return common, len(common) > 0
}

// covers reports whether every host that b means is one that a means.
func covers(a, b string) bool {
	suffix, wild := strings.CutPrefix(a, "*")
	return a == b || wild && strings.HasSuffix(strings.TrimPrefix(b, "*"), suffix)
}
