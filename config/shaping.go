package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// shapeFields say what becomes of traffic, for an API, an operation or a Route. Of each field the narrowest level that writes it
// decides.
type shapeFields struct {
	edgeFields `yaml:",inline"`
	CORS       *corsFields      `yaml:"cors" doc:"Which pages of other origins may call; none where not said. Their preflights are answered before anybody is asked who they are."`
	Query      *queryFields     `yaml:"query" doc:"Changes of the query's parameters on the way to the upstream, after everything was decided."`
	Faults     *faultsFields    `yaml:"faults" doc:"Delays and answers that are put into a part of the requests, to try out what callers do then."`
	Body       *bodyFields      `yaml:"body" doc:"Changes of JSON bodies."`
	GRPCWeb    *bool            `yaml:"grpc-web" doc:"Whether browsers may call by gRPC-Web, which becomes gRPC here."`
	Transcode  *transcodeFields `yaml:"transcode" doc:"How requests of JSON become calls of gRPC."`
}

// edgeFields are those of them that a Gateway may say for all that is exposed there.
type edgeFields struct {
	Compress  *compressFields  `yaml:"compress" doc:"How responses are compressed for clients that take it. Not at all where no level says so."`
	MaxBody   *bodyBound       `yaml:"max-body" doc:"The most bytes that a request's body may have, such as 1MiB: 413 for more. A stream is counted whole. Any number where no level says so, or none is written."`
	Addresses *addressesFields `yaml:"addresses" doc:"Where requests may come from, before anybody is asked who they are. From anywhere where no level says so."`
}

func (f *edgeFields) shaping() gateway.Shaping {
	return gateway.Shaping{Compression: f.Compress.compression(), MaxBody: f.MaxBody.bytes(), Addresses: f.Addresses.lists()}
}

// shaping builds what is said, of an object or, at a path, of a part of it.
func (f *shapeFields) shaping(o *object, at string) gateway.Shaping {
	out := f.edgeFields.shaping()
	out.CORS = f.CORS.cors(o, join(at, "cors"))
	out.Query = f.Query.changes(o, join(at, "query"))
	out.Faults = f.Faults.injection(o, join(at, "faults"))
	out.Body = f.Body.changes(o, join(at, "body"))
	out.GRPCWeb = f.GRPCWeb
	out.Transcoding = f.Transcode.transcoding(o, join(at, "transcode"))
	return out
}

// bodyBound is a number of bytes, or none.
type bodyBound struct {
	none bool
	most byteSize
}

func (v *bodyBound) parse(text string) error {
	if v.none = text == "none"; v.none {
		return nil
	}
	return v.most.parse(text)
}

// String returns the bound as it is written.
func (v *bodyBound) String() string {
	if v.none {
		return "none"
	}
	return v.most.String()
}

func (bodyBound) JSONSchema() *jsonschema.Schema {
	s := byteSize(0).JSONSchema()
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Const: "none"}, s}}
}

func (v *bodyBound) bytes() *int64 {
	if v == nil {
		return nil
	}
	return new(int64(v.most))
}

// compressFields say how responses are compressed.
type compressFields struct {
	orNone
	Algorithms []string `yaml:"algorithms" order:"none" single:"true" jsonschema:"minItems=1,enum=gzip,enum=brotli,enum=zstd" doc:"What may be used. The client's Accept-Encoding chooses; of several that it takes alike, brotli comes before zstd and that before gzip. All three where not said."`
	Types      []string `yaml:"types" order:"none" jsonschema:"minItems=1" doc:"Content types of responses that are compressed. Those of texts, JSON, XML, scripts and SVG where not said."`
	Minimum    byteSize `yaml:"minimum" jsonschema:"default=1KiB" doc:"How long a body must be at least, where its length is known."`
}

const compressMinimum = 1 << 10

// compressors lists them in the order in which they are preferred.
func compressors() []gateway.Algorithm {
	return []gateway.Algorithm{gateway.Brotli, gateway.Zstd, gateway.Gzip}
}

func compressible() []string {
	return []string{
		"application/graphql-response+json", "application/javascript", "application/json", "application/ld+json", "application/problem+json",
		"application/xhtml+xml", "application/xml", "image/svg+xml", "text/css", "text/csv", "text/html", "text/javascript", "text/plain", "text/xml",
	}
}

func (f *compressFields) compression() *gateway.Compression {
	switch {
	case f == nil:
		return nil
	case f.none:
		return &gateway.Compression{}
	}
	out := &gateway.Compression{Types: sortedTexts(f.Types), Minimum: int64(f.Minimum)}
	for _, a := range compressors() {
		if f.Algorithms == nil || slices.Contains(f.Algorithms, string(a)) {
			out.Algorithms = append(out.Algorithms, a)
		}
	}
	if out.Types == nil {
		out.Types = compressible()
	}
	if out.Minimum == 0 {
		out.Minimum = compressMinimum
	}
	return out
}

// addressesFields say where requests may come from.
type addressesFields struct {
	orNone
	Allow []network `yaml:"allow" order:"none" single:"true" jsonschema:"minItems=1" doc:"Addresses and networks from one of which a request must come. Any where not said."`
	Deny  []network `yaml:"deny" order:"none" single:"true" jsonschema:"minItems=1" doc:"Addresses and networks from none of which it may come, whatever allow says."`
}

func (f *addressesFields) lists() *gateway.AddressLists {
	if f == nil {
		return nil
	}
	prefix := func(n network) netip.Prefix { return n.Prefix }
	ordered := func(list []network) []netip.Prefix {
		return slices.Compact(slices.SortedFunc(slices.Values(each(list, prefix)), netip.Prefix.Compare))
	}
	return &gateway.AddressLists{Allow: ordered(f.Allow), Deny: ordered(f.Deny)}
}

// queryFields are changes of a query.
type queryFields struct {
	orNone
	Set    map[string]headerValue `yaml:"set" doc:"Parameters with their values, in place of whatever there is."`
	Add    map[string]headerValue `yaml:"add" doc:"Parameters with their values, beside whatever there is."`
	Remove []string               `yaml:"remove" order:"none" doc:"Names of parameters that are taken away."`
}

func (f *queryFields) changes(o *object, at string) *gateway.QueryChanges {
	if f == nil {
		return nil
	}
	if len(f.Set)+len(f.Add)+len(f.Remove) > maxHeaders {
		o.fault(gateway.CodeTooLarge, at, "more than %d parameters: leave some out", maxHeaders)
		return nil
	}
	seen := map[string]bool{}
	sound := func(place, name string) bool {
		err := gateway.CheckParameterName(name)
		switch {
		case err != nil:
			o.fault(gateway.CodeBadValue, place, "%s", err)
		case seen[name]:
			o.fault(gateway.CodeConflict, place, "the parameter %s stands here twice: keep one", name)
		}
		defer func() { seen[name] = true }()
		return err == nil && !seen[name]
	}
	list := func(place string, written map[string]headerValue) []gateway.Parameter {
		var out []gateway.Parameter
		for _, name := range sortedKeys(written) {
			if err := gateway.CheckQueryParts(written[name].parts); err != nil {
				o.fault(gateway.CodeBadValue, join(place, name), "%s", err)
			} else if sound(join(place, name), name) {
				out = append(out, gateway.Parameter{Name: name, Value: written[name].parts})
			}
		}
		return out
	}
	out := &gateway.QueryChanges{Set: list(join(at, "set"), f.Set), Add: list(join(at, "add"), f.Add)}
	for i, name := range f.Remove {
		if sound(fmt.Sprintf("%s[%d]", join(at, "remove"), i), name) {
			out.Remove = append(out.Remove, name)
		}
	}
	slices.Sort(out.Remove)
	return out
}
