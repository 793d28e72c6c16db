package translate

import (
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// statName returns under which name an Envoy counts what goes to an upstream. Each name has about a hundred series: all upstreams
// together have those once, so that thousands of them cost a scraper nothing, unless one says that it wants its own.
func statName(u *gateway.Upstream) string {
	if u.Series {
		return u.Name
	}
	return envoy.StatUpstreams
}
