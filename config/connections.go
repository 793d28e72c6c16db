package config

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// What holds for connections to endpoints where the document does not say.
const (
	idleConnections  = time.Minute
	mostConnections  = 4096
	mostPending      = 1024
	mostRequests     = 4096
	ejectAfter       = 5
	ejectInterval    = 10 * time.Second
	ejectFor         = 30 * time.Second
	ejectMost        = 50
	adaptiveMost     = 1000
	adaptiveInterval = 100 * time.Millisecond
)

type connectionFields struct {
	Idle     duration `yaml:"idle" jsonschema:"default=1m" doc:"How long a connection is kept without a request. Shorter than the endpoints keep theirs, or requests meet connections that have just been closed."`
	Age      duration `yaml:"age" doc:"How long a connection is used at most. As long as it lasts where not said."`
	Requests int      `yaml:"requests" jsonschema:"minimum=1,maximum=1000000" doc:"How many requests are sent on one connection at most. Any number where not said."`
}

func (f *connectionFields) connections() gateway.Connections {
	return gateway.Connections{Idle: f.Idle.or(idleConnections), Age: time.Duration(f.Age), Requests: f.Requests}
}

// bulkheadFields are the bounds of an Upstream.
type bulkheadFields struct {
	Connections int `yaml:"connections" jsonschema:"minimum=1,maximum=1000000,default=4096" doc:"Connections to all endpoints at one time."`
	PerEndpoint int `yaml:"per-endpoint" jsonschema:"minimum=1,maximum=1000000" doc:"Connections to each endpoint at one time. As many as to all where not said."`
	Pending     int `yaml:"pending" jsonschema:"minimum=1,maximum=1000000,default=1024" doc:"Requests that wait for a connection at one time."`
	Requests    int `yaml:"requests" jsonschema:"minimum=1,maximum=1000000,default=4096" doc:"Requests under way at one time."`
}

func (f *bulkheadFields) bulkhead() gateway.Bulkhead {
	return gateway.Bulkhead{Connections: f.Connections, PerEndpoint: f.PerEndpoint, Pending: f.Pending, Requests: f.Requests}.Over(
		gateway.Bulkhead{Connections: mostConnections, Pending: mostPending, Requests: mostRequests})
}

// ownBulkheadFields are the bounds of one API.
type ownBulkheadFields struct {
	Connections int `yaml:"connections" jsonschema:"minimum=1,maximum=1000000" doc:"Connections to all endpoints of each Upstream at one time."`
	PerEndpoint int `yaml:"per-endpoint" jsonschema:"minimum=1,maximum=1000000" doc:"Connections to each endpoint at one time."`
	Pending     int `yaml:"pending" jsonschema:"minimum=1,maximum=1000000" doc:"Requests that wait for a connection at one time."`
	Requests    int `yaml:"requests" jsonschema:"minimum=1,maximum=1000000" doc:"Requests under way at one time."`
}

func (f *ownBulkheadFields) bulkhead() *gateway.Bulkhead {
	if f == nil {
		return nil
	}
	return &gateway.Bulkhead{Connections: f.Connections, PerEndpoint: f.PerEndpoint, Pending: f.Pending, Requests: f.Requests}
}

type ejectFields struct {
	Errors        *int     `yaml:"errors" jsonschema:"minimum=0,maximum=1000,default=5" doc:"Answers of 500 and above in a row. 0 does not look at them."`
	GatewayErrors *int     `yaml:"gateway-errors" jsonschema:"minimum=0,maximum=1000,default=5" doc:"Answers of 502, 503 and 504 in a row. 0 does not look at them."`
	Failures      *int     `yaml:"failures" jsonschema:"minimum=0,maximum=1000,default=5" doc:"Failed connections, resets and timeouts in a row. 0 does not look at them."`
	SuccessRate   bool     `yaml:"success-rate" jsonschema:"default=false" doc:"Whether an endpoint is left out that succeeds far less often than the others: with five endpoints and 100 requests to each in an interval, or more."`
	Interval      duration `yaml:"interval" jsonschema:"default=10s" doc:"Between two looks at success rates, and at who comes back."`
	For           duration `yaml:"for" jsonschema:"default=30s" doc:"How long an endpoint is left out the first time. Each time it happens again it is longer by as much, up to ten times."`
	Most          *percent `yaml:"most" jsonschema:"default=50%" doc:"The share of the endpoints that may be left out at one time. One always may."`
}

func (f *ejectFields) ejection() *gateway.Ejection {
	if f == nil {
		return nil
	}
	return &gateway.Ejection{
		Errors: value(f.Errors, ejectAfter), GatewayErrors: value(f.GatewayErrors, ejectAfter), Failures: value(f.Failures, ejectAfter),
		SuccessRate: f.SuccessRate, Interval: f.Interval.or(ejectInterval), For: f.For.or(ejectFor), Most: float64(value(f.Most, ejectMost)),
	}
}

// adaptiveFields bound requests by what is learnt.
type adaptiveFields struct {
	Most     *int     `yaml:"most" jsonschema:"minimum=3,maximum=100000,default=1000" doc:"Requests under way at any time, however well they are answered."`
	Interval duration `yaml:"interval" jsonschema:"default=100ms" doc:"Between two corrections of the bound."`
}

func (f *adaptiveFields) adaptive() *gateway.Adaptive {
	if f == nil {
		return nil
	}
	return &gateway.Adaptive{Most: value(f.Most, adaptiveMost), Interval: f.Interval.or(adaptiveInterval)}
}

// waitFields are how long requests may take.
type waitFields struct {
	Request duration `yaml:"request" doc:"For the whole answer. As the Upstream's timeout says where not said."`
	Try     duration `yaml:"try" doc:"For each attempt, where requests are tried again. As the Upstream's retries say where not said."`
	Idle    duration `yaml:"idle" doc:"Without a byte in either direction. 5m where not said."`
	Stream  duration `yaml:"stream" doc:"For all that a request does, bodies in both directions included. Any time where not said."`
}

func (f *waitFields) waits() gateway.Waits {
	return gateway.Waits{
		Request: time.Duration(f.Request), Try: time.Duration(f.Try), Idle: time.Duration(f.Idle), Stream: time.Duration(f.Stream),
	}
}
