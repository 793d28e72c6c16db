package posture

import (
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	longAnswer        = time.Minute
	longAuthorization = 5 * time.Second
)

func endless(r *review) {
	for _, u := range r.Revision.Upstreams {
		if u.Timeout > longAnswer {
			r.upstream(u, "timeout", "%s may take %s to answer", u.Name, u.Timeout)
		}
		if u.ConnectTimeout > longAuthorization {
			r.upstream(u, "connect-timeout", "%s may take %s to connect", u.Name, u.ConnectTimeout)
		}
	}
}

func unchecked(r *review) {
	for _, u := range r.Revision.Upstreams {
		if u.Health == nil && (len(u.Endpoints) > 1 || u.Discovery != nil) {
			r.upstream(u, "", "the endpoints of %s are not checked", u.Name)
		}
	}
}

func slowAuthorization(r *review) {
	for _, g := range r.Revision.Gateways {
		if g.Timeouts.Authorization > longAuthorization {
			r.gateway(g, "timeouts.authorization", "requests on Gateway %s may wait %s for authorization", g.Name, g.Timeouts.Authorization)
		}
	}
	for _, api := range r.Revision.APIs {
		if api.Timeout > longAuthorization {
			r.api(api, "timeouts.authorization", "requests of %s may wait %s for authorization", api.Ref(), api.Timeout)
		}
	}
}

// injectsFaults finds faults that are put into requests now; where no time is told, all that a document says.
func injectsFaults(r *review) {
	for route, api := range r.forwarding {
		f := route.Shaping.Faults
		if f == nil || !r.Now.IsZero() && !r.Now.Before(f.Until) {
			continue
		}
		field := r.said(api, route, "faults", func(op *gateway.Operation) bool { return op.Shaping.Faults != nil })
		r.api(api, field, "faults are put into requests of %s until %s", calls(route, field), f.Until.Format(time.RFC3339))
	}
}

// recordedDearly finds what is asked of Gatehouse for nothing but its record.
func recordedDearly(r *review) {
	for route, api := range r.forwarding {
		usual := *route
		usual.Decisions = gateway.RecordedUsual
		if route.CallsAuthorization() && !usual.CallsAuthorization() {
			r.api(api, "decisions", "requests of %s wait for Gatehouse only to be recorded in full", api.Ref())
		}
	}
}
