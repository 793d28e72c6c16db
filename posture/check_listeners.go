package posture

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// expiresSoon is how long a certificate must still be valid.
const expiresSoon = 30 * 24 * time.Hour

// remote reports whether other hosts can reach an IP address, or nobody knows.
func remote(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err != nil || !ip.IsLoopback()
}

// plainListeners yields the listeners that serve requests by plain HTTP to other hosts, with the listener of the same Gateway
// that serves one of their hosts by TLS, or nil.
func (r *review) plainListeners(visit func(g *gateway.Gateway, i int, beside *gateway.Listener)) {
	for _, g := range r.Revision.Gateways {
		for i := range g.Listeners {
			l := &g.Listeners[i]
			if l.TLS != nil || l.Redirect != nil || l.Speaks.Streams() || !remote(l.Address) {
				continue
			}
			var beside *gateway.Listener
			for k := range g.Listeners {
				other := &g.Listeners[k]
				if other.TLS != nil && slices.ContainsFunc(l.Hosts, func(h string) bool { return len(other.ServedHosts(h)) > 0 }) {
					beside = other
					break
				}
			}
			visit(g, i, beside)
		}
	}
}

func withoutTLS(r *review) {
	r.plainListeners(func(g *gateway.Gateway, i int, beside *gateway.Listener) {
		if beside == nil {
			r.gateway(g, fmt.Sprintf("listeners[%d]", i), "listener %s serves %s by plain HTTP only",
				g.Listeners[i].Name, strings.Join(g.Listeners[i].Hosts, ", "))
		}
	})
}

func withoutRedirect(r *review) {
	r.plainListeners(func(g *gateway.Gateway, i int, beside *gateway.Listener) {
		if beside != nil {
			r.gateway(g, fmt.Sprintf("listeners[%d]", i), "listener %s serves by plain HTTP what listener %s serves by TLS", g.Listeners[i].Name, beside.Name)
		}
	})
}

func oldTLS(r *review) {
	for _, g := range r.Revision.Gateways {
		for i, l := range g.Listeners {
			if l.TLS != nil && l.TLS.Minimum != gateway.TLS13 {
				r.gateway(g, fmt.Sprintf("listeners[%d].tls.min", i), "listener %s speaks TLS %s", l.Name, l.TLS.Minimum)
			}
		}
	}
}

func weakCiphers(r *review) {
	for _, g := range r.Revision.Gateways {
		for i, l := range g.Listeners {
			if l.TLS == nil {
				continue
			}
			for k, c := range l.TLS.Ciphers {
				if !strings.HasPrefix(c, "ECDHE-") || !strings.Contains(c, "GCM") && !strings.Contains(c, "CHACHA20") {
					r.gateway(g, fmt.Sprintf("listeners[%d].tls.ciphers[%d]", i, k), "listener %s offers %s", l.Name, c)
				}
			}
		}
	}
}

// What a listener may be told to take before that is worth a word.
const (
	wideHeaders = 128 << 10
	wideCount   = 500
	wideStreams = 1000
	wideBuffer  = 1 << 20
	wideTime    = time.Minute
)

func wideBounds(r *review) {
	for _, g := range r.Revision.Gateways {
		for i, l := range g.Listeners {
			for _, b := range []struct {
				wide bool
				name string
			}{
				{l.Bounds.HeaderSize > wideHeaders, "header-size"},
				{l.Bounds.HeaderCount > wideCount, "header-count"},
				{l.Bounds.Streams > wideStreams, "streams"},
				{l.Bounds.Buffer > wideBuffer, "buffer"},
				{l.Bounds.Headers > wideTime, "headers"},
			} {
				if b.wide {
					r.gateway(g, fmt.Sprintf("listeners[%d]", i), "listener %s has a wide bound: %s", l.Name, b.name)
				}
			}
		}
	}
}

// widest is how many addresses may be named as proxies at most, by the length of the prefix.
const (
	widest4 = 8
	widest6 = 16
)

func trustsAnybody(r *review) {
	for _, g := range r.Revision.Gateways {
		if g.Trust.Hops > 0 && len(g.Trust.Proxies) == 0 {
			r.gateway(g, "trust.hops", "Gateway %s takes every peer for a proxy whose word counts", g.Name)
		}
		if g.Trust.ProxyProtocol {
			r.gateway(g, "trust.proxy-protocol", "Gateway %s takes the client's address from every peer by the PROXY protocol", g.Name)
		}
		for i, p := range g.Trust.Proxies {
			if p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
				r.gateway(g, fmt.Sprintf("trust.proxies[%d]", i), "Gateway %s believes all of %s", g.Name, p)
			}
		}
	}
}

func wildcardHosts(r *review) {
	for _, api := range r.Revision.APIs {
		for i, e := range api.Expose {
			field := fmt.Sprintf("expose[%d]", i)
			if len(e.Hosts) == 0 && slices.ContainsFunc(r.hostsOf(e.Gateway), wildcard) {
				r.api(api, field, "%s answers for every host of Gateway %s, wildcards among them", api.Ref(), e.Gateway)
			}
			for k, h := range e.Hosts {
				if wildcard(h) {
					r.api(api, fmt.Sprintf("%s.hosts[%d]", field, k), "%s answers for %s", api.Ref(), h)
				}
			}
		}
	}
}

func wildcard(host string) bool { return strings.HasPrefix(host, "*") }

// hostsOf returns the hosts of all listeners of a Gateway.
func (r *review) hostsOf(name string) []string {
	var hosts []string
	for _, g := range r.Revision.Gateways {
		for _, l := range g.Listeners {
			if g.Name == name {
				hosts = append(hosts, l.Hosts...)
			}
		}
	}
	return hosts
}

func expiring(r *review) {
	if r.Now.IsZero() {
		return
	}
	for _, c := range r.Revision.Certificates {
		if p, ok := r.Certificates[c.Name]; ok && p.Until.Before(r.Now.Add(expiresSoon)) {
			r.certificate(c, "chain", "the certificate %s is valid until %s", c.Name, p.Until.UTC().Format(time.DateOnly))
		}
	}
}

func adminOnTCP(r *review) {
	if r.Admin != "" {
		r.find(gateway.Ref{}, "", gateway.Origin{}, "", "the management API answers on %s", r.Admin)
	}
}
