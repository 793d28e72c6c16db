package config

import (
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
)

type upstreamDocument struct {
	header         `yaml:",inline"`
	Endpoints      endpointsFields `yaml:"endpoints" jsonschema:"required,minItems=1" doc:"The addresses that serve this: a list, a file or SRV records that are watched, or pushed through the management API."`
	Balance        string          `yaml:"balance" jsonschema:"enum=round-robin,enum=least-request,enum=random,default=least-request" later:"ring-hash maglev" doc:"How the next endpoint is chosen."`
	Protocol       string          `yaml:"protocol" jsonschema:"enum=http1,enum=http2,default=http1" doc:"What the endpoints speak."`
	Health         *healthFields   `yaml:"health" doc:"Active health checks. Without them every endpoint is taken to be healthy."`
	Timeout        duration        `yaml:"timeout" jsonschema:"default=15s" doc:"For the whole response."`
	ConnectTimeout duration        `yaml:"connect-timeout" jsonschema:"default=1s" doc:"For a new connection."`
	Retries        *retryFields    `yaml:"retries" doc:"Whether and how failed requests are tried again. Never where not said."`
	Shared         bool            `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may forward to it. What has no team is free to all."`
	Series         bool            `yaml:"series" jsonschema:"default=false" doc:"Whether Envoys count what goes to it apart, in about a hundred series with its name. All others are counted together."`
	TLS            reserved        `yaml:"tls" jsonschema:"-" reserved:"endpoints are reached by plain HTTP; remove it"`
}

type healthFields struct {
	Path      urlPath   `yaml:"path" jsonschema:"required" doc:"The path of the GET request; 200 is healthy."`
	Interval  duration  `yaml:"interval" jsonschema:"default=5s" doc:"Between two checks."`
	Timeout   checkTime `yaml:"timeout" jsonschema:"default=1s" doc:"For one check, at most 2s: an Envoy that starts serves nothing before each endpoint's first check has ended."`
	Healthy   *int      `yaml:"healthy" jsonschema:"minimum=1,maximum=100,default=2" doc:"Successes in a row before an endpoint is used again."`
	Unhealthy *int      `yaml:"unhealthy" jsonschema:"minimum=1,maximum=100,default=3" doc:"Failures in a row before an endpoint is left out."`
}

type retryFields struct {
	Attempts *int     `yaml:"attempts" jsonschema:"minimum=1,maximum=10,default=1" doc:"How often one request is tried again."`
	Budget   *percent `yaml:"budget" jsonschema:"default=20%" doc:"The share of active requests that may be retries at any time."`
	On       []string `yaml:"on" order:"none" jsonschema:"minItems=1,enum=connect-failure,enum=refused-stream,enum=reset-before-request" later:"reset gateway-error 5xx" doc:"What is tried again: only requests of which the endpoint has seen nothing. All of these where not said."`
}

func (d *upstreamDocument) add(o *object, docs *gateway.Documents) {
	u := &gateway.Upstream{
		Name:           string(d.Name),
		Balance:        or(gateway.Balance(d.Balance), gateway.LeastRequest),
		Protocol:       or(gateway.Protocol(d.Protocol), gateway.HTTP1),
		Timeout:        d.Timeout.or(upstreamTimeout),
		ConnectTimeout: d.ConnectTimeout.or(connectTimeout),
		Retries:        d.Retries.retries(),
		Health:         d.Health.health(),
		Series:         d.Series,
		Team:           d.Team,
		Shared:         d.Shared,
		Origin:         o.origin(),
	}
	d.Endpoints.endpoints(o, u)
	if o.sound(docs) {
		docs.Upstreams = append(docs.Upstreams, u)
	}
}

func (f *healthFields) health() *gateway.Health {
	if f == nil {
		return nil
	}
	return &gateway.Health{
		Path: string(f.Path), Interval: f.Interval.or(healthInterval), Timeout: duration(f.Timeout).or(healthTimeout),
		Healthy: value(f.Healthy, healthyAfter), Unhealthy: value(f.Unhealthy, unhealthyAfter),
	}
}

func (f *retryFields) retries() *gateway.Retries {
	if f == nil {
		return nil
	}
	on := f.On
	if len(on) == 0 {
		on = retryConditions()
	}
	return &gateway.Retries{
		Attempts: value(f.Attempts, retryAttempts), Budget: float64(value(f.Budget, retryBudget)), On: on,
	}
}

// retryConditions are all there are, in order.
func retryConditions() []string {
	return []string{"connect-failure", "refused-stream", "reset-before-request"}
}
