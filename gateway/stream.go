package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Spoken is what a Route speaks, or what a Listener expects of its clients.
type Spoken string

// What may be spoken. Of TLS and TCP no content is looked at: connections are passed on as they are.
const (
	SpeaksHTTP Spoken = ""
	SpeaksTLS  Spoken = "tls" // Passed on by the name that the client asks for (SNI, RFC 6066 3), and not ended here.
	SpeaksTCP  Spoken = "tcp"
)

// Streams reports whether whole connections are passed on.
func (s Spoken) Streams() bool { return s == SpeaksTLS || s == SpeaksTCP }

// Passing says how the connections of a Route are passed on.
type Passing struct {
	Idle     time.Duration // A connection on which nothing moves is closed after this.
	Attempts int           // How many endpoints are tried for one connection.
}

// Stream is a Route at one Listener that passes on whole connections, with everything it refers to.
type Stream struct {
	Name     string // "route/NAME".
	Object   Ref
	Gateway  *Gateway
	Listener string
	Spoken   Spoken
	Names    []string // Of a Route that speaks TLS: the names that clients ask for, as patterns; otherwise empty.
	Targets  []Target
	Passing  Passing
	Origin   Place `json:"-"`
}

// AdmittedNames returns what of a pattern of names the listener passes on without ending TLS.
func (l Listener) AdmittedNames(host string) []string {
	return Listener{Hosts: l.Names}.ServedHosts(host)
}

// streams returns what a Route that passes on connections becomes: a Stream for each exposure. One that is quarantined becomes
// none, as there is no answer that a connection could get.
func (a *assembler) streams(api *API) []*Stream {
	if api.Down {
		return nil
	}
	if len(api.Expose) == 0 {
		a.apiFault(api, CodeNotExposed, "expose", "%s is exposed nowhere: name a gateway and its listener under expose", api.Ref())
		return nil
	}
	var out []*Stream
	targets := a.targets(api, api.To, "to")
	for i, e := range api.Expose {
		place := fmt.Sprintf("expose[%d]", i)
		g, ok := lookup(a, api, KindGateway, func(o objects) map[string]*Gateway { return o.gateways }, e.Gateway, place+".gateway")
		if !ok || !a.granted(api, g, e, place) {
			continue
		}
		l, ok := a.streamListener(api, g, e, place)
		if !ok {
			continue
		}
		s := &Stream{
			Name: routePrefix + api.Name, Object: api.Ref(), Gateway: g, Listener: l.Name, Spoken: api.Speaks,
			Targets: targets, Passing: api.Passing, Origin: api.Origin.At(place),
		}
		if api.Speaks == SpeaksTLS {
			s.Names = a.admitted(api, l, e, place)
		}
		out = append(out, s)
	}
	return out
}

// streamListener returns the listener that an exposure names, if it speaks what the Route does.
func (a *assembler) streamListener(api *API, g *Gateway, e Exposure, place string) (*Listener, bool) {
	var fit []string
	for i := range g.Listeners {
		l := &g.Listeners[i]
		if l.Speaks != api.Speaks {
			continue
		}
		if l.Name == e.Listener {
			return l, true
		}
		fit = append(fit, l.Name)
	}
	what := "add one with protocol: " + string(api.Speaks)
	if len(fit) > 0 {
		what = "write listener: and one of " + strings.Join(fit, ", ")
	}
	a.apiFault(api, CodeListener, place, "%s speaks %s, and listener %q of Gateway %s is none that does: %s", api.Ref(), api.Speaks, e.Listener, g.Name, what)
	return nil, false
}

// admitted returns the names of an exposure, each passed on by the listener.
func (a *assembler) admitted(api *API, l *Listener, e Exposure, place string) []string {
	if len(e.Hosts) == 0 {
		return l.Names
	}
	var names []string
	for i, h := range e.Hosts {
		if len(l.AdmittedNames(h)) == 0 {
			a.apiFault(api, CodeHostNotServed, fmt.Sprintf("%s.hosts[%d]", place, i),
				"listener %s takes no clients that ask for %q: add it to the listener's hosts, or correct it", l.Name, h)
			continue
		}
		names = append(names, l.AdmittedNames(h)...)
	}
	slices.SortFunc(names, CompareHosts)
	return slices.Compact(names)
}

// apart finds Streams that want the same connections, and returns the others. As with routes, both are at fault.
func (a *assembler) apart(parts []*part) []*Stream {
	var kept []*Stream
	first := map[string]*Stream{}
	for _, p := range parts {
		for _, s := range p.streams {
			claims := s.Names
			if s.Spoken == SpeaksTCP {
				claims = []string{""}
			}
			var clash *Stream
			for _, name := range claims {
				key := s.Gateway.Name + "\x00" + s.Listener + "\x00" + name
				if first[key] == nil {
					first[key] = s
				} else if clash == nil && first[key] != s {
					clash = first[key]
				}
			}
			if clash == nil {
				kept = append(kept, s)
				continue
			}
			a.sameConnections(s, clash)
			if clash.Object != s.Object {
				a.sameConnections(clash, s)
			}
		}
	}
	return kept
}

func (a *assembler) sameConnections(s, other *Stream) {
	a.faults = append(a.faults, Fault{
		Code: CodeSameConnections, Place: s.Origin, Object: s.Object,
		Message: fmt.Sprintf("%s takes the same connections of listener %s as %s (%s): give each a listener of its own, or other hosts",
			s.Name, s.Listener, other.Name, other.Origin),
	})
}
