package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

type apiDocument struct {
	header        `yaml:",inline"`
	Version       name                  `yaml:"version" jsonschema:"required" doc:"The version, such as v1. Name and version together are the API's key."`
	Stage         string                `yaml:"stage" jsonschema:"enum=draft,enum=published,enum=deprecated,enum=retired,default=published" doc:"Where the version stands in its life."`
	Contract      filePath              `yaml:"contract" doc:"An OpenAPI 3.0 or 3.1 file that lists the operations."`
	Unlisted      string                `yaml:"unlisted" jsonschema:"enum=refuse,enum=forward,default=refuse" doc:"What becomes of requests that no operation matches: 404, or sent on."`
	Expose        []exposureFields      `yaml:"expose" by:"gateway" order:"none" doc:"Where the API is reachable."`
	To            []destinationFields   `yaml:"to" by:"upstream" order:"none" single:"true" jsonschema:"minItems=1" doc:"The Upstreams that serve the API. The name alone will do."`
	Authenticate  *authenticateFields   `yaml:"authenticate" doc:"Who may call: none for everybody, or the proofs one of which is needed."`
	Authorize     []authorizationFields `yaml:"authorize" by:"policy" single:"true" doc:"The Policies all of which must allow a request. The name alone will do."`
	Require       []requirementFields   `yaml:"require" by:"name" order:"none" doc:"What must hold of every request. Envoy checks it itself, without a call."`
	Decisions     string                `yaml:"decisions" jsonschema:"enum=usual,enum=full,default=usual" doc:"How much of each decision is recorded: full has the input, at the price of a call for every request."`
	Limits        []limitFields         `yaml:"limits" by:"name" order:"none" doc:"How many requests are let through. The name of a Limit alone will do."`
	WhenAway      whenAwayFields        `yaml:"when-away" doc:"What becomes of requests while Gatehouse cannot be asked."`
	Timeouts      apiTimeoutFields      `yaml:"timeouts" doc:"How long a request waits for Gatehouse itself."`
	Headers       headersFields         `yaml:"headers" doc:"Changes of headers, on every answer below the base. Of each header, the operation decides before the API, and that before the Gateway."`
	trafficFields `yaml:",inline"`
	Rewrite       *frontFields      `yaml:"rewrite" doc:"What the upstream is asked for in place of the base and the host, where an operation does not say."`
	Pages         []pageFields      `yaml:"pages" by:"status" order:"none" doc:"Bodies in place of the problem documents that Gatehouse and Envoy answer with, by status. Those of the Gateway where not said."`
	Operations    []operationFields `yaml:"operations" by:"id" order:"none" jsonschema:"minItems=1" doc:"What the API can do, beside what its contract lists."`
	Effects       reserved          `yaml:"effects" jsonschema:"-" reserved:"remove it"`
	Plans         reserved          `yaml:"plans" jsonschema:"-" reserved:"write limits"`
	Products      reserved          `yaml:"products" jsonschema:"-" reserved:"remove it"`
	Domains       reserved          `yaml:"domains" jsonschema:"-" reserved:"write hosts under expose"`
}

type operationFields struct {
	ID            name `yaml:"id" jsonschema:"required" doc:"The operation's name. With nothing that matches it refers to the contract's operation."`
	pathFields    `yaml:",inline"`
	Match         conditionsFields      `yaml:"match" doc:"What a request must have beside its method and path."`
	To            []destinationFields   `yaml:"to" by:"upstream" order:"none" single:"true" jsonschema:"minItems=1" doc:"The Upstreams that serve the operation. The API's where not said."`
	Authenticate  *authenticateFields   `yaml:"authenticate" doc:"Who may call. As the API says where not said."`
	Authorize     []authorizationFields `yaml:"authorize" none:"true" by:"policy" single:"true" doc:"The Policies that must allow a request, in place of the API's."`
	Require       []requirementFields   `yaml:"require" by:"name" order:"none" doc:"What must hold of every request, beside what the API requires."`
	Limits        []limitFields         `yaml:"limits" none:"true" by:"name" order:"none" doc:"How many requests are let through, in place of the API's."`
	Headers       headersFields         `yaml:"headers" doc:"Changes of headers. Of each header, the operation decides before the API, and that before the Gateway."`
	trafficFields `yaml:",inline"`
	answerFields  `yaml:",inline"`
}

func (d *apiDocument) add(o *object, docs *gateway.Documents) {
	api := &gateway.API{
		Kind: gateway.KindAPI, Name: string(d.Name), Version: string(d.Version), Team: d.Team, Labels: d.Labels,
		Stage:        or(gateway.Stage(d.Stage), gateway.Published),
		Unlisted:     or(gateway.Unlisted(d.Unlisted), gateway.Refuse),
		Expose:       exposures(d.Expose),
		To:           destinations(d.To),
		Authenticate: d.Authenticate.authenticate(o, "authenticate"),
		Authorize:    authorizations(d.Authorize),
		Require:      requirements(o, d.Require, "require"),
		Decisions:    recorded(d.Decisions),
		Limits:       limits(o, d.Limits, "limits"),
		WhenAway:     d.WhenAway.whenAway(),
		Headers:      d.Headers.headers(o, "headers"),
		Acts:         d.trafficFields.acts(o, d.Rewrite),
		Pages:        pages(o, d.Pages),
		Timeout:      time.Duration(d.Timeouts.Authorization),
		Origin:       o.origin(),
	}
	checkVersioning(o, d.Expose)
	listed, readable := d.contract(o)
	api.Operations = d.operations(o, listed, readable)
	if d.Contract == "" && d.Operations == nil {
		api.Operations = []gateway.Operation{{ID: "all", Match: gateway.Match{Path: gateway.Path{Prefix: true}}}}
	}
	addAPI(o, docs, api)
}

// addAPI adds an API even if it is faulty, as it tells which hosts and base it meant.
func addAPI(o *object, docs *gateway.Documents, api *gateway.API) {
	api.Faulty = !o.sound(docs)
	docs.APIs = append(docs.APIs, api)
}

// contract returns the contract's operations. readable is false where there are faults in it.
func (d *apiDocument) contract(o *object) (listed []gateway.Operation, readable bool) {
	if d.Contract == "" {
		return nil, !o.blamed("contract")
	}
	return o.load.contract(o, string(d.Contract))
}

// operations joins the operations of the contract with those written out.
func (d *apiDocument) operations(o *object, listed []gateway.Operation, readable bool) []gateway.Operation {
	operations := slices.Clone(listed)
	for i := range d.Operations {
		w, field := &d.Operations[i], fmt.Sprintf("operations[%d]", i)
		op := gateway.Operation{ID: string(w.ID), Match: w.matching().match(o, field, join(field, "match")), Field: field}
		w.settings(o, field, &op)
		at := slices.IndexFunc(listed, func(l gateway.Operation) bool { return l.ID == op.ID })
		switch {
		case slices.Contains(ownOperations(), op.ID):
			o.fault(gateway.CodeBadValue, join(field, "id"), "the id %q is Gatehouse's own: write another", op.ID)
		case w.Path != nil || w.PathRegex != nil || o.blamed(field):
			operations = append(operations, op)
		case at >= 0 && w.matching().matches():
			o.fault(gateway.CodeConflict, field, "the contract says which requests are %s: remove method, methods and match, or write a path", op.ID)
		case at >= 0:
			op.Match, op.Scopes = listed[at].Match, listed[at].Scopes
			operations[at] = op
		case d.Contract == "" || w.matching().matches():
			o.fault(gateway.CodeMissingField, field, "the operation %s has no path: write path or path-regex", op.ID)
		case readable:
			o.fault(gateway.CodeDangling, join(field, "id"), "%s", notListed(op.ID, listed))
		}
	}
	return operations
}

// ownOperations are the names of routes that refuse what no operation lists.
func ownOperations() []string { return []string{"unlisted", "method-not-allowed", "quarantined"} }

func notListed(id string, listed []gateway.Operation) string {
	ids := each(listed, func(op gateway.Operation) string { return op.ID })
	if near, ok := suggest.Nearest(id, ids); ok {
		return fmt.Sprintf("the contract has no operation %q: did you mean %q?", id, near)
	}
	return fmt.Sprintf("the contract has no operation %q: correct the id, or write the operation's path", id)
}

// recorded returns how much of decisions is recorded.
func recorded(text string) gateway.Recorded {
	if text == string(gateway.RecordedFull) {
		return gateway.RecordedFull
	}
	return gateway.RecordedUsual
}

// matching returns all that says which requests are meant.
func (w *operationFields) matching() *matchFields {
	return &matchFields{pathFields: w.pathFields, conditionsFields: w.Match}
}

// settings fills in what the operation says in place of the API.
func (w *operationFields) settings(o *object, field string, op *gateway.Operation) {
	op.To = destinations(w.To)
	op.Acts = w.answerFields.acts(o, field, &w.trafficFields, w.To != nil)
	op.Headers = w.Headers.headers(o, join(field, "headers"))
	op.Authenticate = w.Authenticate.authenticate(o, join(field, "authenticate"))
	if w.Authorize != nil {
		list := authorizations(w.Authorize)
		op.Authorize = &list
	}
	op.Require = requirements(o, w.Require, join(field, "require"))
	if w.Limits != nil {
		list := limits(o, w.Limits, join(field, "limits"))
		op.Limits = &list
	}
}
