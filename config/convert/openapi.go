package convert

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/config/canonical"
)

// OpenAPIOptions say what a contract does not.
type OpenAPIOptions struct {
	Name    string // Of the API; by the contract's title where empty.
	Version string // Of the API; by the contract's where empty.
	Gateway string // At which it is exposed.
}

// OpenAPI converts an OpenAPI contract (3.0 or 3.1): an API that lists its operations by it, the Upstream that its first server is, and
// the Issuers of its security schemes. What a scheme leaves open, such as who issues a bearer token, leaves authenticate out: the
// document is refused until somebody says it. The error is one of a file that cannot be read, or is no contract.
func OpenAPI(f File, o OpenAPIOptions) (Result, error) {
	r := newReader()
	roots, err := r.parse(f)
	if err != nil {
		return Result{}, err
	}
	if len(roots) != 1 || !strings.HasPrefix(roots[0].field("openapi").text(), "3.") {
		return Result{}, fmt.Errorf("%s: this is no OpenAPI 3 contract: one document with openapi: 3.0.x or 3.1.x is meant", f.Name)
	}
	c := &contract{root: roots[0], schemes: map[string]node{}}
	api := &document{kind: "API", name: cmp.Or(o.Name, slug(c.root.path("info", "title").text()), "api")}
	c.name = api.name
	api.set("version", text(cmp.Or(o.Version, major(c.root.path("info", "version").text()))))
	api.set("contract", text("./"+path.Base(f.Name)))
	base := c.server()
	expose := mapping("gateway", cmp.Or(o.Gateway, "edge"), "base", base)
	api.set("expose", list(expose))
	api.set("to", text(c.name))
	if base != "" { // An upstream gets the paths of the contract below its own.
		api.set("rewrite", mapping("prefix", base))
	}
	c.secure(api)
	c.extensions()
	return Result{Documents: write(append(c.documents, api)), Left: r.told([]File{f})}, nil
}

// contract is an OpenAPI contract that is converted.
type contract struct {
	root      node
	name      string
	schemes   map[string]node
	documents []*document
}

// server makes the Upstream of the first server, and returns the path below which that has the API.
func (c *contract) server() (base string) {
	u := &document{kind: "Upstream", name: c.name}
	c.documents = append(c.documents, u)
	servers := c.root.field("servers").items()
	if len(servers) == 0 {
		u.set("endpoints", list(mapping("address", "127.0.0.1:9000")))
		c.root.field("info").leave("no server is listed: say in the Upstream %s where the API is served", u.name)
		return ""
	}
	for _, other := range servers[1:] {
		other.leave("only the first server becomes an Upstream")
	}
	written := servers[0].field("url")
	at, err := url.Parse(written.text())
	if err != nil || at.Host == "" || strings.Contains(written.text(), "{") {
		u.set("endpoints", list(mapping("address", "127.0.0.1:9000")))
		written.leave("it names no host: say in the Upstream %s where the API is served", u.name)
		if err == nil {
			return strings.TrimSuffix(at.Path, "/")
		}
		return ""
	}
	port := cmp.Or(at.Port(), map[string]string{"https": "443"}[at.Scheme], "80")
	u.set("endpoints", list(mapping("address", at.Hostname()+":"+port)))
	if at.Scheme == "https" {
		u.set("tls", canonical.Value{Shape: canonical.Plain, Text: "{}"})
	}
	return strings.TrimSuffix(at.Path, "/")
}

// secure says who may call: for the API, and for each operation that says otherwise.
func (c *contract) secure(api *document) {
	schemes := c.root.path("components", "securitySchemes")
	for _, name := range schemes.fields() {
		c.schemes[name] = schemes.field(name)
	}
	all := c.root.field("security")
	if !all.there() {
		c.root.field("info").leave("the contract says nothing of security for all of it: write authenticate at the API")
	} else if who, ok := c.ways(all); ok {
		api.set("authenticate", who)
	}
	var operations []canonical.Value
	paths := c.root.field("paths")
	for _, template := range paths.fields() {
		item := paths.field(template)
		for _, method := range item.fields() {
			op := item.field(method)
			own := op.field("security")
			if !slices.Contains([]string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}, method) || !own.there() {
				continue
			}
			id := op.field("operationId").text()
			if id == "" {
				own.leave("an operation without operationId cannot be named: write authenticate at an operation with this method and path")
			} else if who, ok := c.ways(own); ok {
				operations = append(operations, mapping("id", id, "authenticate", who))
			}
		}
	}
	api.set("operations", list(operations...))
}

// ways returns the proofs one of which is needed. ok is false where one of them cannot be said.
func (c *contract) ways(security node) (canonical.Value, bool) {
	var any canonical.Value
	for _, requirement := range security.items() {
		var all canonical.Value
		for _, name := range requirement.fields() {
			part, ok := c.proof(name, requirement)
			if !ok {
				return canonical.Value{}, false
			}
			all = appended(all, part)
		}
		switch len(all.Parts) {
		case 0: // No scheme: the others are optional.
			any = appended(any, mapping("anonymous", "anonymous"))
		case 1:
			any = appended(any, all.Parts[0].Value)
		default:
			any = appended(any, mapping("all", all))
		}
	}
	if len(any.Parts) == 0 {
		return text("none"), true
	}
	return mapping("any", any), true
}

// proof returns what proves who calls, by a scheme (OpenAPI 3.1, Security Scheme Object).
func (c *contract) proof(name string, at node) (canonical.Value, bool) {
	s, known := c.schemes[name]
	if !known {
		at.leave("there is no security scheme %s: write authenticate", name)
		return canonical.Value{}, false
	}
	switch kind := s.field("type").text(); kind {
	case "apiKey":
		return mapping("key", mapping(s.field("in").text(), s.field("name").text())), true
	case "mutualTLS":
		return mapping("mtls", canonical.Value{Shape: canonical.Plain, Text: "{}"}), true
	case "openIdConnect":
		c.issuer(name, strings.TrimSuffix(s.field("openIdConnectUrl").text(), "/.well-known/openid-configuration"))
		return mapping("jwt", slug(name)), true
	default:
		at.leave("the scheme %s (%s) does not tell who issues its tokens: write an Issuer, and authenticate with its name", name, cmp.Or(s.field("scheme").text(), kind))
		return canonical.Value{}, false
	}
}

// issuer makes the Issuer of a scheme, once.
func (c *contract) issuer(scheme, issuer string) {
	name := slug(scheme)
	if slices.ContainsFunc(c.documents, func(d *document) bool { return d.kind == "Issuer" && d.name == name }) {
		return
	}
	d := &document{kind: "Issuer", name: name}
	d.set("issuer", text(issuer))
	d.set("jwks", mapping("discover", true))
	c.documents = append(c.documents, d)
}

// extensions tells of what other gateways have to say in a contract.
func (c *contract) extensions() {
	tell := func(v node) {
		for _, name := range v.fields() {
			if strings.HasPrefix(name, "x-") {
				v.field(name).leave("an extension means something to another program only")
			}
		}
	}
	tell(c.root)
	paths := c.root.field("paths")
	for _, template := range paths.fields() {
		item := paths.field(template)
		tell(item)
		for _, method := range item.fields() {
			tell(item.field(method))
		}
	}
}

// slug returns a text as a name: letters and digits in lower case, with dashes between.
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "-")
}

// major returns the first number of a version, as v1.
func major(version string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if first == "" || strings.Trim(first, "0123456789") != "" {
		return "v1"
	}
	return "v" + first
}
