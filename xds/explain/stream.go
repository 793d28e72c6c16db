package explain

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// through explains a connection at a listener that passes it on. The URL's host is the name that the client asks for.
func (r request) through(rev *gateway.Revision, g *gateway.Gateway, l *gateway.Listener) Answer {
	answer := Answer{
		Fleet: g.Fleet, Gateway: g.Name, Listener: fmt.Sprintf("%s (%s)", l.Name, net.JoinHostPort(l.Address, strconv.Itoa(l.Port))),
		Listens: listens(l), Action: "close the connection", Hops: []gateway.Hop{},
		Why: fmt.Sprintf("no Route passes on what comes to listener %s", l.Name),
	}
	if l.Speaks == gateway.SpeaksTLS {
		answer.Why = fmt.Sprintf("no Route at listener %s passes on clients that ask for %q", l.Name, r.host)
	}
	s, name := r.stream(rev, g, l)
	if s == nil {
		return answer
	}
	answer.Action, answer.Route, answer.Origin = "pass on", s.Name, s.Origin.String()
	answer.Why = fmt.Sprintf("listener %s speaks %s, and connections are passed on as they are", l.Name, l.Speaks)
	if name != "" {
		answer.Why = fmt.Sprintf("the client asks for %s, and TLS is not ended here", name)
	}
	answer.Listens = append(answer.Listens, fmt.Sprintf("a connection on which nothing moves ends after %s", s.Passing.Idle),
		fmt.Sprintf("endpoints tried for a connection: %d", s.Passing.Attempts))
	answer.Upstreams = upstreams(s.Targets)
	return answer
}

// stream returns the Route that takes a connection, and the pattern that the client's name is of.
func (r request) stream(rev *gateway.Revision, g *gateway.Gateway, l *gateway.Listener) (found *gateway.Stream, name string) {
	for _, s := range rev.Streams {
		if s.Gateway.Name != g.Name || s.Listener != l.Name {
			continue
		}
		if s.Spoken == gateway.SpeaksTCP {
			return s, ""
		}
		at := slices.IndexFunc(s.Names, func(n string) bool { return r.host != "" && gateway.HostCovers(n, r.host) })
		if at >= 0 && (found == nil || gateway.CompareHosts(s.Names[at], name) < 0) {
			found, name = s, s.Names[at]
		}
	}
	return found, name
}

// grpc reports whether a content-type is that of a call of gRPC, as Envoy tells it.
func grpc(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
