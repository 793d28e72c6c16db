package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Settings of an Upstream where the document does not say.
const (
	upstreamTimeout = 15 * time.Second
	connectTimeout  = time.Second
	healthInterval  = 5 * time.Second
	healthTimeout   = time.Second
	healthyAfter    = 2
	unhealthyAfter  = 3
	retryAttempts   = 1
	retryBudget     = 20
	retryBase       = 25 * time.Millisecond
)

type upstreamDocument struct {
	header         `yaml:",inline"`
	Endpoints      endpointsFields    `yaml:"endpoints" jsonschema:"required,minItems=1" doc:"The addresses that serve this: a list, a file or SRV records that are watched, or pushed through the management API."`
	Balance        balanceFields      `yaml:"balance" jsonschema:"default=least-request" doc:"How the next endpoint is chosen. The method alone will do."`
	Protocol       string             `yaml:"protocol" jsonschema:"enum=http1,enum=http2,default=http1" doc:"What the endpoints speak."`
	TLS            *upstreamTLSFields `yaml:"tls" doc:"How endpoints are reached by TLS; {} will do where they are written by one host name. Plain HTTP where not said."`
	Health         *healthFields      `yaml:"health" doc:"Active health checks. Without them every endpoint is taken to be healthy."`
	Eject          *ejectFields       `yaml:"eject" doc:"Leaves endpoints out for a while that fail requests. None where not said; {} takes the usual."`
	Timeout        duration           `yaml:"timeout" jsonschema:"default=15s" doc:"For the whole response."`
	ConnectTimeout duration           `yaml:"connect-timeout" jsonschema:"default=1s" doc:"For a new connection."`
	Connections    connectionFields   `yaml:"connections" doc:"How long connections to endpoints are kept."`
	Bulkhead       bulkheadFields     `yaml:"bulkhead" doc:"How much may wait for the endpoints at one time, in each Envoy. What is above is refused with 503 at once."`
	Retries        *retryFields       `yaml:"retries" doc:"Whether and how failed requests are tried again. Never where not said."`
	Shared         bool               `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may forward to it. What has no team is free to all."`
	Series         bool               `yaml:"series" jsonschema:"default=false" doc:"Whether Envoys count what goes to it apart, in about a hundred series with its name. All others are counted together."`
}

type retryFields struct {
	Attempts *int          `yaml:"attempts" jsonschema:"minimum=1,maximum=10,default=1" doc:"How often one request is tried again."`
	Budget   *percent      `yaml:"budget" jsonschema:"default=20%" doc:"The share of active requests that may be retries at any time."`
	On       []string      `yaml:"on" order:"none" jsonschema:"minItems=1,enum=connect-failure,enum=refused-stream,enum=reset-before-request,enum=reset,enum=gateway-error,enum=5xx" doc:"What is tried again. The first three, of which the endpoint has seen nothing, where not said; reset, gateway-error and 5xx only with methods that may be repeated."`
	Statuses []int         `yaml:"statuses" order:"none" jsonschema:"minItems=1" doc:"Statuses of answers that are tried again, from 400 to 599, with methods that may be repeated."`
	Methods  string        `yaml:"methods" jsonschema:"enum=idempotent,enum=all,default=idempotent" doc:"Which methods may be repeated where the endpoint may have seen the request: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, or all."`
	Timeout  duration      `yaml:"timeout" doc:"For each attempt. That of the whole response where not said."`
	Backoff  backoffFields `yaml:"backoff" doc:"How long a retry waits: a random time, on average longer with each."`
}

type backoffFields struct {
	Base duration `yaml:"base" jsonschema:"default=25ms" doc:"The longest wait before the first retry; doubled with each further one."`
	Max  duration `yaml:"max" doc:"The longest wait of all. Ten times base where not said."`
}

func (d *upstreamDocument) add(o *object, docs *gateway.Documents) {
	u := &gateway.Upstream{
		Name:           string(d.Name),
		Protocol:       or(gateway.Protocol(d.Protocol), gateway.HTTP1),
		Timeout:        d.Timeout.or(upstreamTimeout),
		ConnectTimeout: d.ConnectTimeout.or(connectTimeout),
		Connections:    d.Connections.connections(),
		Bulkhead:       d.Bulkhead.bulkhead(),
		Retries:        d.Retries.retries(o),
		Health:         d.Health.health(o),
		Ejection:       d.Eject.ejection(),
		Series:         d.Series,
		Team:           d.Team,
		Shared:         d.Shared,
		Origin:         o.origin(),
	}
	d.Balance.balance(o, u)
	d.Endpoints.endpoints(o, u)
	d.TLS.tls(o, u)
	behind(o, u)
	if o.sound(docs) {
		docs.Upstreams = append(docs.Upstreams, u)
	}
}

func (f *retryFields) retries(o *object) *gateway.Retries {
	if f == nil {
		return nil
	}
	on := slices.Compact(slices.Sorted(slices.Values(f.On)))
	if len(on) == 0 {
		on = retryConditions()
	}
	for i, status := range f.Statuses {
		if status < 400 || status > 599 {
			o.fault(gateway.CodeBadValue, fmt.Sprintf("retries.statuses[%d]", i), "the status %d is no failure: write one from 400 to 599", status)
		}
	}
	if f.Backoff.Max != 0 && time.Duration(f.Backoff.Max) < f.Backoff.Base.or(retryBase) {
		o.fault(gateway.CodeBadValue, "retries.backoff.max", "the longest wait is shorter than base: write a longer one")
	}
	return &gateway.Retries{
		Attempts: value(f.Attempts, retryAttempts), Budget: float64(value(f.Budget, retryBudget)), On: on,
		Statuses: slices.Compact(slices.Sorted(slices.Values(f.Statuses))), Every: f.Methods == "all",
		Timeout: time.Duration(f.Timeout), Base: f.Backoff.Base.or(retryBase), Longest: time.Duration(f.Backoff.Max),
	}
}

// retryConditions are those of which an endpoint has seen nothing, in order.
func retryConditions() []string {
	return []string{"connect-failure", "refused-stream", "reset-before-request"}
}

// behind finds endpoints that come after others which nothing ever tells to be unhealthy.
func behind(o *object, u *gateway.Upstream) {
	if u.Health != nil || u.Ejection != nil {
		return
	}
	for i, e := range u.Endpoints {
		if slices.ContainsFunc(u.Endpoints, func(other gateway.Endpoint) bool { return other.Priority < e.Priority }) {
			o.fault(gateway.CodeNeverPreferred, itemField("endpoints", i, "priority"),
				"%s is never used: nothing tells when the endpoints before it are not healthy; write health or eject", e.Address)
			return
		}
	}
}
