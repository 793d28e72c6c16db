package explain

import (
	"net/http"

	"github.com/gatehouse/gatehouse/gateway"
)

// preflight fills in how a route answers a browser that asks whether a page may call: Envoy does so itself, before anybody is
// asked who they are, if the page's origin is one of those that may.
func (r request) preflight(a *Answer, x *gateway.Route) {
	c, origin := x.Shaping.CORS, r.headers.Get(gateway.HeaderOrigin)
	if c == nil || r.method != http.MethodOptions || origin == "" || r.headers.Get(gateway.HeaderRequestMethod) == "" || !c.Allows(origin) {
		return
	}
	a.Action, a.Why, a.Hops, a.Upstreams = "answer 200", "it is a preflight, and pages of "+origin+" may call", []gateway.Hop{}, nil
}
