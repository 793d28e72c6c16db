package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kinds of the Gateway API (gateway.networking.k8s.io) that are converted.
const (
	kindGateway        = "Gateway"
	kindHTTPRoute      = "HTTPRoute"
	kindGRPCRoute      = "GRPCRoute"
	kindReferenceGrant = "ReferenceGrant"
	gatewayGroup       = "gateway.networking.k8s.io"
)

// GatewayAPI converts objects of the Kubernetes Gateway API, version 1: Gateways with their listeners, HTTPRoutes and GRPCRoutes. Each
// match of a rule becomes a Route. The rules are those of the API: which listeners a route may attach to, which hosts they have in
// common, and that a reference to another namespace needs a ReferenceGrant. The error is one of a file that cannot be read.
func GatewayAPI(files []File) (Result, error) {
	c := &converter{r: newReader(), names: map[string]string{}, upstreams: map[string]*document{}, taken: map[string]node{}, ranks: map[string]node{}}
	var objects []*object
	for _, f := range files {
		roots, err := c.r.parse(f)
		if err != nil {
			return Result{}, err
		}
		for _, root := range roots {
			objects = append(objects, c.objects(root)...)
		}
	}
	c.convert(objects)
	return Result{Documents: write(c.documents), Left: c.r.told(files)}, nil
}

// object is one object of a file.
type object struct {
	node

	kind, namespace, name, created string
}

// converter carries what one conversion needs.
type converter struct {
	r         *reader
	gateways  []*gatewayObject
	grants    []*object
	names     map[string]string // Of documents, by kind and the object that they were made of.
	upstreams map[string]*document
	taken     map[string]node // The match that has a host, by all that it says.
	ranks     map[string]node // A match that has a host, by all that its rank depends on.
	documents []*document
}

// objects returns what a document of a file holds: itself, or the items of a List.
func (c *converter) objects(root node) []*object {
	kind := root.field("kind").text()
	root.field("apiVersion").all()
	if strings.HasSuffix(kind, "List") {
		root.field("metadata").all()
		var out []*object
		for _, item := range root.field("items").items() {
			item.what = ""
			out = append(out, c.objects(item)...)
		}
		return out
	}
	meta := root.field("metadata")
	o := &object{
		node: root, kind: kind, name: meta.field("name").text(), created: meta.field("creationTimestamp").text(),
		namespace: cmp.Or(meta.field("namespace").text(), "default"),
	}
	o.what = o.kind + " " + o.namespace + "/" + o.name + " "
	for _, meaningless := range []string{"labels", "uid", "resourceVersion", "generation", "managedFields", "finalizers", "ownerReferences", "generateName"} {
		meta.field(meaningless).all()
	}
	annotations := o.path("metadata", "annotations")
	for _, key := range annotations.fields() {
		if value := annotations.field(key); !strings.HasPrefix(key, "kubectl.kubernetes.io/") {
			value.leave("an annotation means something to another program only")
		}
	}
	o.field("status").all()
	return []*object{o}
}

// convert makes the documents.
func (c *converter) convert(objects []*object) {
	var routes []*object
	for _, o := range objects {
		switch o.kind {
		case kindGateway:
			c.gateways = append(c.gateways, c.gateway(o))
		case kindHTTPRoute, kindGRPCRoute:
			routes = append(routes, o)
		case kindReferenceGrant:
			c.grants = append(c.grants, o)
			o.field("spec").all()
		case "GatewayClass":
			o.all() // Which program serves a Gateway.
		default:
			o.leave("objects of this kind are not converted")
		}
	}
	// The Gateway API lets the oldest route win, and of several as old the first by name.
	slices.SortStableFunc(routes, func(a, b *object) int {
		return cmp.Or(cmp.Compare(cmp.Or(a.created, "~"), cmp.Or(b.created, "~")), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	attached := map[*object][]attachment{}
	for _, o := range routes {
		attached[o] = c.attach(o)
	}
	for _, g := range c.gateways {
		c.writeGateway(g)
	}
	for _, o := range routes {
		c.route(o, attached[o])
	}
	for _, o := range objects {
		o.rest()
	}
}

// named returns the name of the document of an object: the object's own, or where another document has that already, with what tells
// them apart before or behind it.
func (c *converter) named(kind, key string, proposals ...string) string {
	if name, ok := c.names[kind+" "+key]; ok {
		return name
	}
	name := ""
	for n := 0; ; n++ {
		if n < len(proposals) {
			name = proposals[n]
		} else {
			name = fmt.Sprintf("%s-%d", proposals[len(proposals)-1], n)
		}
		if _, used := c.names[kind+"="+name]; !used {
			break
		}
	}
	c.names[kind+" "+key], c.names[kind+"="+name] = name, key
	return name
}
