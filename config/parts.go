package config

import "github.com/gatehouse/gatehouse/gateway"

// What follows are the parts that API, Route and operation share, and how they become the model.

type destinationFields struct {
	Upstream name `yaml:"upstream" jsonschema:"required" doc:"The name of an Upstream."`
	Weight   *int `yaml:"weight" jsonschema:"minimum=0,maximum=1000000,default=1" doc:"The Upstream's share of the requests, relative to the others."`
}

func (destinationFields) short() string { return "upstream" }

func destinations(list []destinationFields) []gateway.Destination {
	return each(list, func(d destinationFields) gateway.Destination {
		return gateway.Destination{Upstream: string(d.Upstream), Weight: value(d.Weight, 1)}
	})
}

type authorizationFields struct {
	Policy  name           `yaml:"policy" jsonschema:"required" doc:"The name of a Policy."`
	With    map[string]any `yaml:"with" doc:"Parameters, over those of the Policy."`
	Mode    string         `yaml:"mode" jsonschema:"enum=enforce,enum=shadow,enum=off,default=enforce" doc:"Whether the decision counts: it does, it is only taken and recorded, or nobody asks."`
	Percent *int           `yaml:"percent" jsonschema:"minimum=1,maximum=100,default=100" doc:"For how many of a hundred requests an enforced decision counts. For the others it is only recorded."`
}

func (authorizationFields) short() string { return "policy" }

func authorizations(list []authorizationFields) []gateway.Authorization {
	return each(list, func(a authorizationFields) gateway.Authorization {
		out := gateway.Authorization{Policy: string(a.Policy), With: a.With}
		if a.Mode != "enforce" {
			out.Mode = gateway.Mode(a.Mode)
		}
		if p := value(a.Percent, 100); p < 100 {
			out.Percent = float64(p)
		}
		return out
	})
}

type exposureFields struct {
	Gateway          name   `yaml:"gateway" jsonschema:"required" doc:"The name of a Gateway."`
	Hosts            []host `yaml:"hosts" order:"none" jsonschema:"minItems=1" doc:"The hosts on which the requests arrive. Every host of the Gateway where not said."`
	Base             base   `yaml:"base" doc:"The path below which the requests arrive. The root where not said."`
	versioningFields `yaml:",inline"`
}

func exposures(list []exposureFields) []gateway.Exposure {
	var out []gateway.Exposure
	for _, e := range list {
		if e.Gateway != "" { // Where it is missing, that is a fault already.
			out = append(out, gateway.Exposure{Gateway: string(e.Gateway), Hosts: texts(e.Hosts), Base: string(e.Base), Versioning: e.versioning()})
		}
	}
	return out
}

type whenAwayFields struct {
	Authorization string `yaml:"authorization" jsonschema:"enum=closed,enum=open,default=closed" doc:"While authorization cannot be asked: refuse with 503, or let through."`
	Limits        string `yaml:"limits" jsonschema:"enum=open,enum=closed,default=open" doc:"While limits cannot be asked: let through, or refuse with 503. Where authorization is called, that call spends the limits, and while Gatehouse is away the stricter of both holds."`
}

func (w whenAwayFields) whenAway() gateway.WhenAway {
	return gateway.WhenAway{
		Authorization: or(gateway.FailureMode(w.Authorization), gateway.Closed),
		Limits:        or(gateway.FailureMode(w.Limits), gateway.Open),
	}
}

type apiTimeoutFields struct {
	Authorization duration `yaml:"authorization" doc:"For one call for authorization. The Gateway's where not said."`
}
