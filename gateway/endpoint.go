package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxSocketPath is what fits a Unix socket's address (sun_path of 108 bytes, one for the end).
const maxSocketPath = 107

// MaxEndpointWeight bounds the weight of one endpoint, written or added up.
const MaxEndpointWeight = 1_000_000

// Endpoint is one address of an Upstream.
type Endpoint struct {
	Address string // "IP:port", "unix:/path" for a socket on the Envoy's host, or "host:port" until it is resolved.
	Weight  int    // Relative to the other endpoints; at least 1.
	// Priority 0 comes first; those of a higher one are used as far as the ones before are not healthy.
	Priority int    `json:",omitempty"`
	Zone     string `json:",omitempty"` // Where it runs; empty: nobody said.
}

// Discovery says how the endpoints of an Upstream are learnt while the daemon runs. At most one field is set.
type Discovery struct {
	SRV    string `json:",omitempty"` // Name of SRV records (RFC 2782), asked again and again.
	File   string `json:",omitempty"` // Watched file, relative to the directory of the documents.
	Pushed bool   `json:",omitempty"` // Set through the management API.
}

// Observed reports whether the endpoints of an Upstream are learnt while the daemon runs: by discovery, or because one of
// them is named by its host.
func (u *Upstream) Observed() bool {
	return u.Discovery != nil || slices.ContainsFunc(u.Endpoints, func(e Endpoint) bool { return !e.Literal() })
}

// OnHost reports whether the endpoint is a socket on the Envoy's own host.
func (e Endpoint) OnHost() bool { return strings.HasPrefix(e.Address, "unix:") }

// Literal reports whether the address can be handed to an Envoy as it is: no host name that must be resolved first.
func (e Endpoint) Literal() bool {
	if strings.HasPrefix(e.Address, "unix:") {
		return true
	}
	_, err := netip.ParseAddrPort(e.Address)
	return err == nil
}

// HostPort splits an address that is no literal into host name and port; ok is false for any other.
func (e Endpoint) HostPort() (host string, port uint16, ok bool) {
	if e.Literal() {
		return "", 0, false
	}
	host, digits, found := strings.Cut(e.Address, ":")
	n, err := strconv.ParseUint(digits, 10, 16)
	if !found || err != nil {
		return "", 0, false
	}
	return host, uint16(n), true
}

// ParseEndpointAddress returns an address as it is kept: "IP:port", "unix:/path" or, in lower case, "host:port". The error
// says what to write instead.
func ParseEndpointAddress(text string) (string, error) {
	if socket, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(socket, "/") || len(socket) > maxSocketPath || strings.ContainsRune(socket, 0) {
			return "", fmt.Errorf("%q is no socket: write unix: and a path from the root, of at most %d characters", text, maxSocketPath)
		}
		return text, nil
	}
	wrong := fmt.Errorf("%q is no address: write an IP address or a host and a port, as in 10.0.0.1:9001, [fd00::1]:9001 or backend.bank.test:9001, or unix:/path", text)
	if addr, err := netip.ParseAddrPort(text); err == nil {
		if addr.Addr().Zone() != "" || addr.Port() == 0 {
			return "", wrong
		}
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()).String(), nil
	}
	host, digits, found := strings.Cut(text, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	if !found || err != nil || port == 0 || strconv.FormatUint(port, 10) != digits || !ValidHostName(host) ||
		strings.Trim(host, "0123456789.") == "" { // An IP address with a mistake is no host.
		return "", wrong
	}
	return strings.ToLower(text), nil
}

// ValidHostName reports whether a text is the name of a host or of a record in DNS: labels of letters, digits, '-' and '_',
// each at most 63 characters, together at most 253 (RFC 1035 2.3.4).
func ValidHostName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label ||
			strings.ContainsFunc(label, func(r rune) bool { return !hostCharacter(r) }) {
			return false
		}
	}
	return true
}

func hostCharacter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// CanonicalEndpoints returns endpoints in one order, each address once with its weights added up, so that equal sets are
// equal to the byte. A weight below 1 counts as 1; of several priorities of one address the first counts.
func CanonicalEndpoints(list []Endpoint) []Endpoint {
	out := make([]Endpoint, 0, len(list))
	for _, e := range list {
		e.Weight = max(1, e.Weight)
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Zone, b.Zone))
	})
	merged := out[:0]
	for _, e := range out {
		if last := len(merged) - 1; last >= 0 && merged[last].Address == e.Address {
			merged[last].Weight = min(MaxEndpointWeight, merged[last].Weight+e.Weight)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}
