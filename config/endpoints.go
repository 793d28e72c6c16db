package config

import (
	"reflect"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// endpointsFields is where the endpoints of an Upstream come from: a list of addresses, the word pushed, or a source.
type endpointsFields struct {
	List   []endpointFields     `yaml:"list" by:"address" order:"none"`
	Source endpointSourceFields `yaml:"source"`
	pushed bool
}

type endpointFields struct {
	Address  endpointAddress `yaml:"address" jsonschema:"required" doc:"IP address or host name and port, or unix:/path for a socket on Envoy's own host. Gatehouse resolves host names, every 5 seconds."`
	Weight   *int            `yaml:"weight" jsonschema:"minimum=1,maximum=1000000,default=1" doc:"The endpoint's share, relative to the others."`
	Priority int             `yaml:"priority" jsonschema:"minimum=0,maximum=127,default=0" doc:"0 comes first. Endpoints of a higher one are used as far as those before are not healthy."`
	Zone     name            `yaml:"zone" doc:"Where the endpoint runs, as an Envoy's zone is named. Counts where balance says zones: own-first."`
}

type endpointSourceFields struct {
	SRV  recordName `yaml:"srv" doc:"The name of SRV records in DNS, which Gatehouse asks for every 5 seconds."`
	File filePath   `yaml:"file" doc:"A watched file with a list of endpoints: addresses and weights."`
}

func (v *endpointsFields) decode(d *decoder, n *yaml.Node, at *field, r *rule) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == "pushed":
		v.pushed = true
	case n.Kind == yaml.MappingNode:
		d.object(n, reflect.ValueOf(&v.Source).Elem(), at)
	default:
		d.list(n, reflect.ValueOf(&v.List).Elem(), at, r)
	}
}

// JSONSchemaExtend offers the three forms.
func (endpointsFields) JSONSchemaExtend(s *jsonschema.Schema) {
	list, _ := s.Properties.Get("list")
	source, _ := s.Properties.Get("source")
	list.MinItems = new(uint64(1))
	*s = jsonschema.Schema{AnyOf: []*jsonschema.Schema{list, source, {Const: "pushed"}}}
}

// JSONSchemaExtend says that one source is named.
func (endpointSourceFields) JSONSchemaExtend(s *jsonschema.Schema) {
	s.OneOf = oneOfFields("srv", "file")
}

// endpoints puts into an Upstream what is written about its endpoints.
func (v *endpointsFields) endpoints(o *object, u *gateway.Upstream) {
	u.Endpoints = endpointsOf(v.List, func(i int, e gateway.Endpoint) {
		o.fault(gateway.CodeDuplicate, itemField("endpoints", i, "address"), "the endpoint %s is written twice: remove one, or give it a weight", e.Address)
	})
	switch {
	case v.pushed:
		u.Discovery = &gateway.Discovery{Pushed: true}
	case v.Source.SRV != "" && v.Source.File != "":
		o.fault(gateway.CodeConflict, "endpoints", "srv and file exclude one another: keep one")
	case v.Source.SRV != "":
		u.Discovery = &gateway.Discovery{SRV: string(v.Source.SRV)}
	case v.Source.File != "":
		u.Discovery = &gateway.Discovery{}
		u.Discovery.File, _ = o.watched("endpoints.file", string(v.Source.File), func(file string, text []byte) gateway.Faults {
			var faults gateway.Faults
			u.Endpoints, faults = readEndpoints(file, text)
			return faults
		})
		if u.Discovery.File == "" { // It was handed in, and is a list like any other; or it cannot be.
			u.Discovery = nil
		}
	case v.List == nil && !o.blamed("endpoints"):
		o.fault(gateway.CodeMissingField, "endpoints", "endpoints names no source: write srv: or file:, a list of addresses, or pushed")
	}
}

// endpointsOf returns endpoints as the model has them, and tells of those whose address stands there already.
func endpointsOf(list []endpointFields, twice func(i int, e gateway.Endpoint)) []gateway.Endpoint {
	var out []gateway.Endpoint
	seen := map[endpointAddress]bool{}
	for i, e := range list {
		endpoint := gateway.Endpoint{Address: string(e.Address), Weight: value(e.Weight, 1), Priority: e.Priority, Zone: string(e.Zone)}
		if e.Address != "" && seen[e.Address] {
			twice(i, endpoint)
		}
		seen[e.Address] = true
		out = append(out, endpoint)
	}
	return out
}
