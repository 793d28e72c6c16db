package config

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

type routeDocument struct {
	header        `yaml:",inline"`
	Expose        []exposureFields      `yaml:"expose" by:"gateway" order:"none" single:"true" doc:"Where the requests arrive."`
	Match         matchFields           `yaml:"match" doc:"Which requests are meant. All where not said."`
	To            []destinationFields   `yaml:"to" by:"upstream" order:"none" single:"true" jsonschema:"minItems=1" doc:"The Upstreams that serve the requests. The name alone will do."`
	Authenticate  *authenticateFields   `yaml:"authenticate" doc:"Who may call: none for everybody, or the proofs one of which is needed."`
	Authorize     []authorizationFields `yaml:"authorize" by:"policy" single:"true" doc:"The Policies all of which must allow a request. The name alone will do."`
	Require       []requirementFields   `yaml:"require" by:"name" order:"none" doc:"What must hold of every request. Envoy checks it itself, without a call."`
	Decisions     string                `yaml:"decisions" jsonschema:"enum=usual,enum=full,default=usual" doc:"How much of each decision is recorded: full has the input, at the price of a call for every request."`
	Limits        []limitFields         `yaml:"limits" by:"name" order:"none" doc:"How many requests are let through. The name of a Limit alone will do."`
	WhenAway      whenAwayFields        `yaml:"when-away" doc:"What becomes of requests while Gatehouse cannot be asked."`
	Timeouts      apiTimeoutFields      `yaml:"timeouts" doc:"How long a request waits for Gatehouse itself."`
	Headers       headersFields         `yaml:"headers" doc:"Changes of headers. Of each header, the Route decides before the Gateway."`
	trafficFields `yaml:",inline"`
	answerFields  `yaml:",inline"`
	Pages         []pageFields `yaml:"pages" by:"status" order:"none" doc:"Bodies in place of the problem documents that Gatehouse and Envoy answer with, by status. Those of the Gateway where not said."`
	Protocol      string       `yaml:"protocol" jsonschema:"enum=http,default=http" later:"grpc tls tcp" doc:"What is spoken."`
}

func (d *routeDocument) add(o *object, docs *gateway.Documents) {
	checkVersioning(o, d.Expose)
	addAPI(o, docs, &gateway.API{
		Kind: gateway.KindRoute, Name: string(d.Name), Team: d.Team, Labels: d.Labels,
		Stage:        gateway.Published,
		Unlisted:     gateway.Forward,
		Expose:       exposures(d.Expose),
		To:           destinations(d.To),
		Authenticate: d.Authenticate.authenticate(o, "authenticate"),
		Authorize:    authorizations(d.Authorize),
		Require:      requirements(o, d.Require, "require"),
		Decisions:    recorded(d.Decisions),
		Limits:       limits(o, d.Limits, "limits"),
		WhenAway:     d.WhenAway.whenAway(),
		Headers:      d.Headers.headers(o, "headers"),
		Timeout:      time.Duration(d.Timeouts.Authorization),
		Operations:   []gateway.Operation{{ID: string(d.Name), Match: d.Match.match(o, "match", "match"), Field: "match", Acts: d.answerFields.acts(o, "", &d.trafficFields, d.To != nil)}},
		Pages:        pages(o, d.Pages),
		Origin:       o.origin(),
	})
}
