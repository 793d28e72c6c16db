package posture

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

func plainUpstream(r *review) {
	for _, u := range r.Revision.Upstreams {
		if u.TLS != nil {
			continue
		}
		if u.Discovery != nil && u.Discovery.SRV != "" {
			r.upstream(u, "endpoints", "%s sends plain HTTP to the hosts of %s", u.Name, u.Discovery.SRV)
		}
		for i, e := range u.Endpoints {
			if distant(e) {
				r.upstream(u, fmt.Sprintf("endpoints[%d]", i), "%s sends plain HTTP to %s", u.Name, e.Address)
				break
			}
		}
	}
}

func unverified(r *review) {
	for _, u := range r.Revision.Upstreams {
		if u.TLS != nil && u.TLS.Unverified {
			r.upstream(u, "tls.verify", "%s believes whoever answers at its endpoints", u.Name)
		}
	}
}

// distant reports whether an endpoint is on another host than the Envoy.
func distant(e gateway.Endpoint) bool {
	if strings.HasPrefix(e.Address, "unix:") {
		return false
	}
	if a, err := netip.ParseAddrPort(e.Address); err == nil {
		return !a.Addr().IsLoopback()
	}
	host, _, _ := e.HostPort()
	return host != "localhost"
}

func teamsSocket(r *review) {
	for _, u := range r.Revision.Upstreams {
		for i, e := range u.Endpoints {
			if u.Team != "" && strings.HasPrefix(e.Address, "unix:") {
				r.upstream(u, fmt.Sprintf("endpoints[%d]", i), "%s of team %s leads to %s", u.Name, u.Team, e.Address)
			}
		}
	}
}

func withoutAllow(r *review) {
	for _, g := range r.Revision.Gateways {
		var first string
		for _, route := range r.Revision.Routes {
			api := r.apis[route.Object]
			if len(g.Allow) > 0 || route.Gateway != g || api == nil || api.Team == "" || api.Team == first {
				continue
			}
			if first == "" {
				first = api.Team
				continue
			}
			r.gateway(g, "allow", "the teams %s and %s expose APIs on Gateway %s, which does not say where each may", first, api.Team, g.Name)
			break
		}
	}
}

func overlappingGrants(r *review) {
	for _, g := range r.Revision.Gateways {
		for i, a := range g.Allow {
			for _, b := range g.Allow[:i] {
				if host, base, ok := overlap(a, b); ok && a.Team != b.Team {
					r.gateway(g, fmt.Sprintf("allow[%d]", i), "the teams %s and %s may both be on %s%s", b.Team, a.Team, host, base)
				}
			}
		}
	}
}

// overlap returns a host and a base that two grants both give.
func overlap(a, b gateway.Grant) (host, base string, ok bool) {
	for _, x := range a.Hosts {
		for _, y := range b.Hosts {
			host, hosts := gateway.HostIntersect(x, y)
			base, bases := commonBase(a.Bases, b.Bases)
			if hosts && bases {
				return host, base, true
			}
		}
	}
	return "", "", false
}

func commonBase(a, b []string) (string, bool) {
	if len(a) == 0 {
		a = []string{""}
	}
	if len(b) == 0 {
		b = []string{""}
	}
	for _, x := range a {
		for _, y := range b {
			switch {
			case gateway.BaseCovers(x, y):
				return y, true
			case gateway.BaseCovers(y, x):
				return x, true
			}
		}
	}
	return "", false
}

func unlockedPlatform(r *review) {
	for _, g := range r.Revision.Gateways {
		for _, z := range slices.Concat(g.Authorize.Before, g.Authorize.After) {
			for _, p := range r.Revision.Policies {
				if p.Name == z.Policy && !p.Locked {
					r.policy(p, "locked", "%s holds for every API on Gateway %s", p.Name, g.Name)
				}
			}
		}
	}
}
