package config

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

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

type limitFields struct {
	Name      name       `yaml:"name" jsonschema:"required" doc:"The limit's name, by which what was spent is kept."`
	Key       []limitKey `yaml:"key" single:"true" jsonschema:"minItems=1" doc:"What is counted by: client.address, token.CLAIM, header.NAME, or several of these together. All requests together where not said."`
	Limit     int        `yaml:"limit" jsonschema:"required,minimum=1,maximum=1000000000" doc:"How many requests are let through in any interval of length per."`
	Per       period     `yaml:"per" jsonschema:"required" doc:"The length of the interval, 1s to 24h."`
	Burst     reserved   `yaml:"burst" jsonschema:"-" reserved:"a limit is a sliding window; remove it"`
	Cost      reserved   `yaml:"cost" jsonschema:"-" reserved:"every request costs 1; remove it"`
	Mode      reserved   `yaml:"mode" jsonschema:"-" reserved:"every limit is enforced; remove it"`
	StoreAway reserved   `yaml:"store-away" jsonschema:"-" reserved:"say under when-away what happens while limits cannot be asked"`
	Quota     reserved   `yaml:"quota" jsonschema:"-" reserved:"write a limit with per up to 24h"`
	Enforce   reserved   `yaml:"enforce" jsonschema:"-" reserved:"every limit is enforced; remove it"`
	Lease     reserved   `yaml:"lease" jsonschema:"-" reserved:"remove it"`
}

func limits(list []limitFields) []gateway.Limit {
	return each(list, func(l limitFields) gateway.Limit {
		return gateway.Limit{Name: string(l.Name), Key: texts(l.Key), Windows: []gateway.Window{{Limit: int64(l.Limit), Per: time.Duration(l.Per)}}}
	})
}

type exposureFields struct {
	Gateway name   `yaml:"gateway" jsonschema:"required" doc:"The name of a Gateway."`
	Hosts   []host `yaml:"hosts" order:"none" jsonschema:"minItems=1" doc:"The hosts on which the requests arrive. Every host of the Gateway where not said."`
	Base    base   `yaml:"base" doc:"The path below which the requests arrive. The root where not said."`
	By      string `yaml:"by" jsonschema:"enum=path,default=path" doc:"How a version is told apart: by its base."`
}

func exposures(list []exposureFields) []gateway.Exposure {
	var out []gateway.Exposure
	for _, e := range list {
		if e.Gateway != "" { // Where it is missing, that is a fault already.
			out = append(out, gateway.Exposure{Gateway: string(e.Gateway), Hosts: texts(e.Hosts), Base: string(e.Base)})
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
