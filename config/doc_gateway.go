package config

import (
	"net/netip"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds on what a request waits for Gatehouse where the document does not say.
const (
	authorizationTimeout = time.Second
	limitsTimeout        = 250 * time.Millisecond
)

type gatewayDocument struct {
	header    `yaml:",inline"`
	Fleet     name             `yaml:"fleet" doc:"The fleet whose Envoys this Gateway configures: their node.cluster. The Gateway's name where not said."`
	Listeners []listenerFields `yaml:"listeners" jsonschema:"required,minItems=1" doc:"Where the Envoys accept requests."`
	Trust     trustFields      `yaml:"trust" doc:"Whose word about the client's address counts. Nobody's where not said."`
	Timeouts  timeoutFields    `yaml:"timeouts" doc:"How long a request waits for Gatehouse itself."`
	Health    healthPath       `yaml:"health" doc:"The path at which the Envoys themselves answer on every listener and host: 200, or 503 while one drains. Nowhere where not said."`
	Headers   headersFields    `yaml:"headers" doc:"Changes of headers, on every answer of this Gateway. Of each header, an API and an operation decide before it."`
	Allow     reserved         `yaml:"allow" jsonschema:"-" reserved:"every team may expose its APIs on every host; remove it"`
}

// reserved is the type of fields that are named but not built.
type reserved struct{}

type listenerFields struct {
	Name     name     `yaml:"name" jsonschema:"required" doc:"The listener's name, unique in its Gateway."`
	Address  ip       `yaml:"address" jsonschema:"default=0.0.0.0" doc:"The IP address to listen on."`
	Port     int      `yaml:"port" jsonschema:"required,minimum=1,maximum=65535" doc:"The port to listen on."`
	Hosts    []host   `yaml:"hosts" jsonschema:"minItems=1" doc:"The hosts served here: exact names, *.suffix, or * for every host, which is the default."`
	TLS      reserved `yaml:"tls" jsonschema:"-" reserved:"listeners speak plain HTTP; remove it, and put what ends TLS in front"`
	Redirect reserved `yaml:"redirect" jsonschema:"-" reserved:"remove it"`
}

type trustFields struct {
	Hops          int       `yaml:"hops" jsonschema:"minimum=0,maximum=16,default=0" doc:"How many proxies in front of Envoy append to X-Forwarded-For. Every peer is taken to be one of them. Without effect where proxies are named."`
	Proxies       []network `yaml:"proxies" doc:"Addresses whose X-Forwarded-For is believed. Other headers by which proxies speak, such as X-Forwarded-Proto, pass from every peer then."`
	ProxyProtocol bool      `yaml:"proxy-protocol" jsonschema:"default=false" doc:"Whether the PROXY protocol comes first on each connection."`
}

type timeoutFields struct {
	Authorization duration `yaml:"authorization" jsonschema:"default=1s" doc:"For one call for authorization."`
	Limits        duration `yaml:"limits" jsonschema:"default=250ms" doc:"For one call for limits."`
}

func (d *gatewayDocument) add(o *object, docs *gateway.Documents) {
	g := &gateway.Gateway{
		Name:  string(d.Name),
		Fleet: string(d.Fleet),
		Trust: gateway.Trust{Hops: d.Trust.Hops, ProxyProtocol: d.Trust.ProxyProtocol},
		Timeouts: gateway.Timeouts{
			Authorization: d.Timeouts.Authorization.or(authorizationTimeout), Limits: d.Timeouts.Limits.or(limitsTimeout),
		},
		Health:  string(d.Health),
		Headers: d.Headers.headers(o, "headers"),
		Origin:  o.origin(),
	}
	if g.Fleet == "" {
		g.Fleet = g.Name
	}
	for _, p := range d.Trust.Proxies {
		g.Trust.Proxies = append(g.Trust.Proxies, p.Prefix)
	}
	names := map[name]bool{}
	for i, l := range d.Listeners {
		if l.Name != "" && names[l.Name] {
			o.fault(gateway.CodeDuplicate, itemField("listeners", i, "name"), "two listeners are named %s: rename one", l.Name)
		}
		names[l.Name] = true
		g.Listeners = append(g.Listeners, l.listener())
	}
	if o.sound(docs) {
		docs.Gateways = append(docs.Gateways, g)
	}
}

func (l listenerFields) listener() gateway.Listener {
	out := gateway.Listener{Name: string(l.Name), Address: string(l.Address), Port: l.Port, Hosts: texts(l.Hosts)}
	if out.Address == "" {
		out.Address = netip.IPv4Unspecified().String()
	}
	if len(out.Hosts) == 0 {
		out.Hosts = []string{gateway.AnyHost}
	}
	return out
}
