package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/internal/suggest"
)

// checkTLS finds listeners that name certificates that do not exist, and redirects that lead nowhere.
func (a *assembler) checkTLS(rev *Revision) {
	known := byName(rev.Certificates, func(c *Certificate) string { return c.Name })
	a.checkIdentities(rev.Upstreams, known)
	for _, g := range rev.Gateways {
		object := Ref{Kind: KindGateway, Name: g.Name}
		for i := range g.Listeners {
			l := &g.Listeners[i]
			place := fmt.Sprintf("listeners[%d]", i)
			if l.TLS != nil {
				for k, name := range l.TLS.Certificates {
					if known[name] == nil && !a.docs.Broken[Ref{Kind: KindCertificate, Name: name}] {
						a.fault(CodeDangling, object, g.Origin, fmt.Sprintf("%s.tls.certificates[%d]", place, k),
							"there is no Certificate named %q: %s", name, remedy(name, slices.Sorted(maps.Keys(known))))
					}
				}
			}
			if l.Redirect == nil {
				continue
			}
			for _, h := range l.Hosts {
				if g.RedirectPort(l, h) == 0 {
					a.fault(CodeNoRedirect, object, g.Origin, place+".redirect",
						"no listener of Gateway %s serves the host %q by TLS: add one, or write the port, as in redirect: {to: https, port: 443}", g.Name, h)
				}
			}
		}
	}
}

// remedy says what to do about a name that nothing has.
func remedy(name string, known []string) string {
	if near, ok := suggest.Nearest(name, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "write one, or correct the name"
}

// CheckCoverage reports where the certificates of a revision's listeners, as they are observed, do not fit the listeners' hosts.
// Certificates of which nothing is observed have a fault already and are passed over, with the hosts that no other covers.
func CheckCoverage(rev *Revision, pairs map[string]KeyPair) Faults {
	c := &coverage{pairs: pairs}
	for _, g := range rev.Gateways {
		for i := range g.Listeners {
			if g.Listeners[i].TLS != nil {
				c.listener(g, i)
			}
		}
	}
	return c.faults.Sort()
}

// coverage collects what is wrong.
type coverage struct {
	pairs  map[string]KeyPair
	faults Faults
}

func (c *coverage) fault(code Code, g *Gateway, field, format string, args ...any) {
	c.faults = append(c.faults, Fault{
		Code: code, Place: g.Origin.At(field), Field: field, Object: Ref{Kind: KindGateway, Name: g.Name}, Message: fmt.Sprintf(format, args...),
	})
}

func (c *coverage) listener(g *Gateway, i int) {
	l := &g.Listeners[i]
	field := fmt.Sprintf("listeners[%d].", i)
	complete := true
	for k, name := range l.TLS.Certificates {
		p, ok := c.pairs[name]
		if complete = complete && ok; !ok {
			continue
		}
		if !slices.ContainsFunc(l.tlsHosts(c.pairs), p.Covers) {
			c.fault(CodeServesNothing, g, fmt.Sprintf("%stls.certificates[%d]", field, k),
				"the Certificate %s is good for %s, and listener %s serves none of these: add one to its hosts, or remove the certificate",
				name, strings.Join(p.Hosts, ", "), l.Name)
		}
	}
	for _, host := range l.tlsHosts(c.pairs) {
		exact, wide := c.covering(l, host)
		best := exact
		if len(exact) == 0 {
			best = wide
		}
		switch {
		case len(best) > 1:
			c.fault(CodeTwoCertificates, g, field+"tls", "the Certificates %s are both good for the host %q of listener %s: remove one of them",
				strings.Join(best[:2], " and "), host, l.Name)
		case len(best) == 0 && complete:
			c.fault(CodeHostUncovered, g, field+"hosts", "no certificate of listener %s is good for its host %q: name one that is, or remove the host", l.Name, host)
		}
	}
}

// covering returns the certificates of a listener that name a host exactly, and those that cover it by a wildcard.
func (c *coverage) covering(l *Listener, host string) (exact, wide []string) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(l.TLS.Certificates))) {
		switch p := c.pairs[name]; {
		case slices.Contains(p.Hosts, host):
			exact = append(exact, name)
		case p.Covers(host):
			wide = append(wide, name)
		}
	}
	return exact, wide
}

// Replace returns the pairs to use when fresh ones were read beside those in use: each fresh one with which the revision's
// listeners are no worse off. The faults are about those that are left out.
func Replace(rev *Revision, used, fresh map[string]KeyPair) (map[string]KeyPair, Faults) {
	now := map[string]KeyPair{}
	for _, c := range rev.Certificates {
		if p, ok := used[c.Name]; ok {
			now[c.Name] = p
		} else if p, ok := fresh[c.Name]; ok {
			now[c.Name] = p
		}
	}
	all := maps.Clone(now)
	maps.Copy(all, fresh)
	if len(CheckCoverage(rev, all)) == 0 {
		return all, nil
	}
	var refused Faults
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		if p, ok := now[name]; ok && p.Same(fresh[name]) {
			continue
		}
		before := now[name]
		worse := CheckCoverage(rev, now)
		now[name] = fresh[name]
		if found := CheckCoverage(rev, now); len(found) > len(worse) {
			refused = append(refused, found...)
			now[name] = before
		}
	}
	return now, refused.Sort()
}
