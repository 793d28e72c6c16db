package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Certificate names the files of a certificate chain and its private key on the daemon's host. What the files hold is
// observed, and no part of a Revision.
type Certificate struct {
	Name   string
	Chain  string // A path relative to the configuration's directory, with slashes, or an absolute one. PEM, the leaf first.
	Key    string // As Chain.
	Team   string `json:"-"` // Empty: the platform.
	Origin Origin `json:"-"`
}

// ListenerTLS says how a Listener ends TLS.
type ListenerTLS struct {
	Certificates []string // Names of Certificates; the first is shown to clients that name no host.
	Minimum      TLSVersion
	Ciphers      []string   `json:",omitempty"` // Of TLS 1.2, by their names in OpenSSL, the preferred first; empty: Envoy's choice.
	Curves       []string   `json:",omitempty"` // The preferred first; empty: Envoy's choice.
	HSTS         *HSTS      `json:",omitempty"` // nil: answers do not say it.
	Clients      *ClientTLS `json:",omitempty"` // nil: clients are not asked for certificates.
}

// ClientTLS says that clients show certificates, and who may have issued them.
type ClientTLS struct {
	Required    bool   // Whether a handshake without one fails; otherwise the routes decide.
	Authorities []byte // Certificates of those who may have issued them, PEM.
	Revoked     []byte `json:",omitempty"` // Lists of revoked certificates (RFC 5280 5), PEM, one of each authority; empty: nobody asks.
}

// HSTS tells browsers to come to a host by HTTPS only (RFC 6797).
type HSTS struct {
	Days       int
	Subdomains bool
	Preload    bool
}

// String returns the value of the header Strict-Transport-Security (RFC 6797 6.1).
func (h HSTS) String() string {
	out := fmt.Sprintf("max-age=%d", h.Days*24*60*60)
	if h.Subdomains {
		out += "; includeSubDomains"
	}
	if h.Preload {
		out += "; preload"
	}
	return out
}

// TLSVersion is a version of TLS, as documents spell it.
type TLSVersion string

// The versions that a Listener may ask for at least.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// Redirect says where a Listener sends its clients: to the same host and path by HTTPS.
type Redirect struct {
	Port   int // 0: that of the Gateway's Listener that serves the host by TLS.
	Status int // 301 or 308.
}

// certificateCovers reports whether a name of a certificate (RFC 9525 6.3) covers a host pattern: it is the same, or a wildcard
// that stands for exactly one label of it.
func certificateCovers(name, host string) bool {
	if name == host {
		return true
	}
	suffix, wild := strings.CutPrefix(name, "*")
	label, found := strings.CutSuffix(host, suffix)
	return wild && found && label != "" && !strings.ContainsAny(label, ".*")
}

// Covers reports whether the certificate is good for every client that names a host of the pattern.
func (p KeyPair) Covers(host string) bool {
	return slices.ContainsFunc(p.Hosts, func(name string) bool { return certificateCovers(name, host) })
}

// Shown is a Certificate of a Listener and the hosts that concern it.
type Shown struct {
	Certificate string
	Hosts       []string // Clients that name one of these are shown the certificate; a wildcard comes after what is narrower.
	Good        []string // Every host of the listener for which the certificate is good: Hosts, and those that another covers more narrowly.
}

// Show shares out the hosts of a listener among its certificates, in the order of their names: each host gets the one that
// names it exactly, or else by a wildcard. A listener that serves every host serves those that its certificates name. A
// certificate of which nothing is observed is passed over.
func (l *Listener) Show(pairs map[string]KeyPair) []Shown {
	var out []Shown
	for _, name := range slices.Compact(slices.Sorted(slices.Values(l.TLS.Certificates))) {
		if _, ok := pairs[name]; ok {
			out = append(out, Shown{Certificate: name})
		}
	}
	for _, host := range l.tlsHosts(pairs) {
		best := -1
		for i := range out {
			p := pairs[out[i].Certificate]
			if !p.Covers(host) {
				continue
			}
			out[i].Good = append(out[i].Good, host)
			if best < 0 || slices.Contains(p.Hosts, host) && !slices.Contains(pairs[out[best].Certificate].Hosts, host) {
				best = i
			}
		}
		if best >= 0 {
			out[best].Hosts = append(out[best].Hosts, host)
		}
	}
	return out
}

// tlsHosts returns the hosts for which a listener needs a certificate, in order of precedence.
func (l *Listener) tlsHosts(pairs map[string]KeyPair) []string {
	var hosts []string
	for _, h := range l.Hosts {
		if h != AnyHost {
			hosts = append(hosts, h)
			continue
		}
		for _, name := range l.TLS.Certificates {
			hosts = append(hosts, pairs[name].Hosts...)
		}
	}
	slices.SortFunc(hosts, CompareHosts)
	return slices.Compact(hosts)
}

// RedirectPort returns the port to which a listener sends the clients of a host, 0 where no listener of the gateway serves it
// by TLS.
func (g *Gateway) RedirectPort(l *Listener, host string) int {
	if l.Redirect.Port != 0 {
		return l.Redirect.Port
	}
	best := ""
	port := 0
	for i := range g.Listeners {
		other := &g.Listeners[i]
		if other.TLS == nil {
			continue
		}
		for _, own := range other.Hosts {
			if HostCovers(own, host) && (port == 0 || CompareHosts(own, best) < 0) {
				best, port = own, other.Port
			}
		}
	}
	return port
}
