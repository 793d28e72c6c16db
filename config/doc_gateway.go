package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds on what a request waits for Gatehouse where the document does not say.
const (
	authorizationTimeout = time.Second
	limitsTimeout        = 250 * time.Millisecond
)

type gatewayDocument struct {
	header       `yaml:",inline"`
	Fleet        name             `yaml:"fleet" doc:"The fleet whose Envoys this Gateway configures: their node.cluster. The Gateway's name where not said."`
	Listeners    []listenerFields `yaml:"listeners" by:"name" order:"none" jsonschema:"required,minItems=1" doc:"Where the Envoys accept requests."`
	Trust        trustFields      `yaml:"trust" doc:"Whose word about the client's address counts. Nobody's where not said."`
	Timeouts     timeoutFields    `yaml:"timeouts" doc:"How long a request waits for Gatehouse itself: at one replica for half of it at most, and then at another one."`
	Health       healthPath       `yaml:"health" doc:"The path at which the Envoys themselves answer on every listener and host: 200, or 503 while one drains. Nowhere where not said."`
	Rollout      *rolloutFields   `yaml:"rollout" doc:"How a change reaches the Envoys of the fleet. Said by one Gateway of a fleet."`
	Headers      headersFields    `yaml:"headers" doc:"Changes of headers, on every answer of this Gateway. Of each header, an API and an operation decide before it."`
	Pages        []pageFields     `yaml:"pages" by:"status" order:"none" doc:"Bodies in place of the problem documents that Gatehouse and Envoy answer with, by status. An API decides before it. gRPC callers never get one."`
	LimitHeaders string           `yaml:"limit-headers" jsonschema:"enum=draft,enum=x-ratelimit,enum=both,enum=none,default=draft" doc:"How clients are told how their limits stand: by RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), by x-ratelimit-limit, -remaining and -reset, by both, or not at all. A refusal has Retry-After in any case."`
	Allow        []grantFields    `yaml:"allow" by:"team" order:"none" jsonschema:"minItems=1" doc:"Which team may expose its APIs and Routes on which hosts and bases. Where not said, documents of the platform may name any team, and what a team applied itself may be exposed nowhere. Objects without a team belong to the platform, which may do everything."`
	Authorize    platformFields   `yaml:"authorize" doc:"Policies without a team that must allow every request that is forwarded through this Gateway, whatever its API says. Such requests are refused while Gatehouse cannot be asked."`
	Decisions    *decisionFields  `yaml:"decisions" doc:"What is recorded of decisions about requests. Said by one Gateway of a fleet."`
	AccessLog    *accessLogFields `yaml:"access-log" doc:"Where the Envoys write a line of JSON for each request, beside what they tell Gatehouse. Nowhere where not said."`
	Tracing      *tracingFields   `yaml:"tracing" doc:"Where the Envoys send spans, and of how many requests. Nowhere where not said; a caller's traceparent passes in any case."`
}

type decisionFields struct {
	Mask   name `yaml:"mask" doc:"The name of a Policy without a team whose answer says what is taken out of each record, or replaced, before it is written: that of OPA's decision logs, with entry system/log/mask."`
	Drop   name `yaml:"drop" doc:"The name of a Policy without a team that says which decisions are not written: that of OPA's decision logs, with entry system/log/drop."`
	Input  bool `yaml:"input" jsonschema:"default=false" doc:"Whether records hold the policies' input, without credentials and bodies."`
	Sample int  `yaml:"sample" jsonschema:"minimum=0,maximum=100,default=0" doc:"How many of a hundred requests that Envoys let through by themselves are recorded. Refusals always are."`
}

func (f *decisionFields) log() *gateway.DecisionLog {
	if f == nil {
		return nil
	}
	return &gateway.DecisionLog{Mask: string(f.Mask), Drop: string(f.Drop), Input: f.Input, Sample: float64(f.Sample)}
}

// limitHeaders returns how clients are told about limits.
func limitHeaders(text string) gateway.LimitHeaders {
	if text == "draft" {
		return gateway.LimitHeadersDraft
	}
	return gateway.LimitHeaders(text)
}

// reserved is the type of fields that are named but not built.
type reserved struct{}

type listenerFields struct {
	Name     name            `yaml:"name" jsonschema:"required" doc:"The listener's name, unique in its Gateway."`
	Address  ip              `yaml:"address" jsonschema:"default=0.0.0.0" doc:"The IP address to listen on."`
	Port     int             `yaml:"port" jsonschema:"required,minimum=1,maximum=65535" doc:"The port to listen on."`
	Hosts    []host          `yaml:"hosts" order:"none" jsonschema:"minItems=1" doc:"The hosts served here: exact names, *.suffix, or * for every host, which is the default."`
	TLS      *tlsFields      `yaml:"tls" doc:"The certificates by which clients are met: the listener speaks HTTPS, HTTP/2 and HTTP/1.1. Plain HTTP where not said."`
	Redirect *redirectFields `yaml:"redirect" doc:"Where clients are sent instead of being served. Only requests below /.well-known/acme-challenge/ that a route takes are served here."`
}

type tlsFields struct {
	Certificate  name           `yaml:"certificate" doc:"The name of a Certificate; for several write certificates."`
	Certificates []name         `yaml:"certificates" jsonschema:"minItems=1" doc:"The names of Certificates. A client is shown the one for the host that it names; one that names none, the first."`
	Min          string         `yaml:"min" jsonschema:"enum=1.2,enum=1.3,default=1.2" doc:"The oldest version of TLS that is spoken."`
	Clients      *clientsFields `yaml:"clients" doc:"The certificates that clients show. They are not asked for any where not said."`
}

type redirectFields struct {
	To     string `yaml:"to" jsonschema:"required,enum=https" doc:"Where to: the same host and path by HTTPS."`
	Port   int    `yaml:"port" jsonschema:"minimum=1,maximum=65535" doc:"The port that clients reach by HTTPS. That of the Gateway's listener with tls that serves the host, where not said."`
	Status int    `yaml:"status" jsonschema:"minimum=301,maximum=308,default=308" doc:"The status of the answer: 308 keeps method and body, 301 lets clients turn a POST into a GET."`
}

func (redirectFields) short() string { return "to" }

type trustFields struct {
	Hops          int       `yaml:"hops" jsonschema:"minimum=0,maximum=16,default=0" doc:"How many proxies in front of Envoy append to X-Forwarded-For. Every peer is taken to be one of them. Without effect where proxies are named."`
	Proxies       []network `yaml:"proxies" order:"none" doc:"Addresses whose X-Forwarded-For is believed. Other headers by which proxies speak, such as X-Forwarded-Proto, pass from every peer then."`
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
		Health:       string(d.Health),
		Rollout:      d.Rollout.rollout(o),
		Headers:      d.Headers.headers(o, "headers"),
		Pages:        pages(o, d.Pages),
		LimitHeaders: limitHeaders(d.LimitHeaders),
		Decisions:    d.Decisions.log(),
		AccessLog:    d.AccessLog.log(o, "access-log"),
		Tracing:      d.Tracing.tracing(),
		Allow:        grants(d.Allow),
		Authorize: gateway.PlatformPolicies{
			Before: authorizations(d.Authorize.Before), After: authorizations(d.Authorize.After),
		},
		Team:   d.Team,
		Origin: o.origin(),
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
		g.Listeners = append(g.Listeners, l.listener(o, fmt.Sprintf("listeners[%d]", i)))
	}
	for i, l := range d.Listeners {
		if own := &g.Listeners[i]; own.Redirect != nil && len(l.Hosts) == 0 {
			own.Hosts = servedByTLS(g.Listeners)
		}
	}
	if o.sound(docs) {
		docs.Gateways = append(docs.Gateways, g)
	}
}

func (l listenerFields) listener(o *object, at string) gateway.Listener {
	out := gateway.Listener{Name: string(l.Name), Address: string(l.Address), Port: l.Port, Hosts: texts(l.Hosts)}
	if out.Address == "" {
		out.Address = netip.IPv4Unspecified().String()
	}
	if len(out.Hosts) == 0 {
		out.Hosts = []string{gateway.AnyHost}
	}
	if l.TLS != nil {
		out.TLS = l.TLS.tls(o, at+".tls")
	}
	if l.Redirect != nil {
		out.Redirect = &gateway.Redirect{Port: l.Redirect.Port, Status: l.Redirect.Status}
		switch out.Redirect.Status {
		case 0:
			out.Redirect.Status = http.StatusPermanentRedirect
		case http.StatusMovedPermanently, http.StatusPermanentRedirect:
		default:
			o.fault(gateway.CodeBadValue, at+".redirect.status", "a redirect for ever has the status 308 or 301, not %d: write one of these", out.Redirect.Status)
		}
		if l.TLS != nil {
			o.fault(gateway.CodeConflict, at+".redirect", "a listener with tls speaks HTTPS already: remove redirect, or put it on a listener without tls")
		}
	}
	return out
}

func (f *tlsFields) tls(o *object, at string) *gateway.ListenerTLS {
	out := &gateway.ListenerTLS{Certificates: texts(f.Certificates), Minimum: or(gateway.TLSVersion(f.Min), gateway.TLS12)}
	out.Clients = f.Clients.clients(o, at+".clients")
	switch {
	case f.Certificate != "" && f.Certificates != nil:
		o.fault(gateway.CodeConflict, at, "certificate and certificates exclude one another: keep one")
	case f.Certificate != "":
		out.Certificates = []string{string(f.Certificate)}
	case len(f.Certificates) == 0 && !o.blamed(at):
		o.fault(gateway.CodeMissingField, at, "tls names no certificate: write certificate: and the name of a Certificate")
	}
	return out
}

// servedByTLS returns the hosts of all listeners with TLS: those that a listener redirects which names none.
func servedByTLS(listeners []gateway.Listener) []string {
	var hosts []string
	for _, l := range listeners {
		if l.TLS != nil {
			hosts = append(hosts, l.Hosts...)
		}
	}
	if len(hosts) == 0 {
		return []string{gateway.AnyHost}
	}
	slices.SortFunc(hosts, gateway.CompareHosts)
	return slices.Compact(hosts)
}
