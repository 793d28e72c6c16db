// Package explain tells which way a request would take, and why, or why nothing takes it.
//
// In: a gateway.Revision and a request as a person would write it. Out: an Answer: listener, virtual host, route, filters,
// hops and upstreams, in the words of the documents. It decides by the same order of precedence as the lookup that Envoy
// gets; a fuzz test holds the two together.
package explain

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// Query is the request to explain.
type Query struct {
	Method  string
	URL     string // Absolute, or a path; the port chooses the listener where there are several.
	Headers http.Header
	Fleet   string // Empty: the first fleet that serves the request.
}

// Answer is the way of a request.
type Answer struct {
	Fleet       string        `json:"fleet,omitempty"`
	Gateway     string        `json:"gateway,omitempty"`
	Listener    string        `json:"listener,omitempty"`
	VirtualHost string        `json:"virtual_host,omitempty"`
	Route       string        `json:"route,omitempty"`
	Origin      string        `json:"origin,omitempty"`
	Action      string        `json:"action"`
	Filters     []string      `json:"filters,omitempty"`
	Hops        []gateway.Hop `json:"hops"`
	// Policies say who judges each policy of the route, and why.
	Policies []gateway.Judgement `json:"policies,omitempty"`
	// Limits say what each limit of the route counts, where it is spent, and what happens where nobody can count.
	Limits    []gateway.LimitTold `json:"limits,omitempty"`
	Upstreams []Upstream          `json:"upstreams,omitempty"`
	Told
	Rules    string     `json:"rules,omitempty"`
	Why      string     `json:"why"`
	Rejected []Rejected `json:"rejected,omitempty"`
}

// Upstream is where a request may go, with its share.
type Upstream struct {
	Name      string   `json:"name"`
	Cluster   string   `json:"cluster"`
	Weight    int      `json:"weight"`
	Endpoints []string `json:"endpoints"`
}

// Rejected is a route that was considered before the one that answers, and the condition that failed.
type Rejected struct {
	Route string `json:"route"`
	Why   string `json:"why"`
}

// maxRejected bounds how many routes are listed that do not match.
const maxRejected = 20

// Request explains a request against a revision. The error is about the query: a URL that cannot be read.
func Request(rev *gateway.Revision, q Query) (Answer, error) {
	r, err := parse(q)
	if err != nil {
		return Answer{}, err
	}
	if escapedSlash(r.path) {
		return Answer{Action: "answer 400", Hops: []gateway.Hop{}, Why: "the path holds an escaped slash or backslash, which no two programs read alike"}, nil
	}
	r.path = normalised(r.path)
	var nearest Answer
	for _, g := range rev.Gateways {
		if q.Fleet != "" && q.Fleet != g.Fleet {
			continue
		}
		for i := range g.Listeners {
			l := &g.Listeners[i]
			if r.port != 0 && r.port != l.Port {
				continue
			}
			answer, found := r.on(rev, g, l)
			if found {
				return answer, nil
			}
			if nearest.Listener == "" {
				nearest = answer
			}
		}
	}
	if nearest.Listener == "" {
		return Answer{Action: "none", Why: r.noListener(rev, q.Fleet)}, nil
	}
	return nearest, nil
}

// request is a query, taken apart.
type request struct {
	method, host, path string
	port               int
	query              map[string]string // The first value of each parameter, as it is spelt.
	cookies            map[string]string // The first of each name.
	headers            http.Header
}

func parse(q Query) (request, error) {
	// A backslash is a slash, which net/url would escape.
	path, query, asked := strings.Cut(q.URL, "?")
	if path = strings.ReplaceAll(path, `\`, "/"); asked {
		path += "?" + query
	}
	u, err := url.Parse(path)
	if err != nil {
		return request{}, fmt.Errorf("the URL %q cannot be read: %w", q.URL, err)
	}
	r := request{
		method: strings.ToUpper(q.Method), host: strings.ToLower(u.Hostname()), path: u.EscapedPath(), query: spelt(u.RawQuery), cookies: cookies(q.Headers.Values("Cookie")), headers: q.Headers,
	}
	if r.path == "" {
		r.path = "/"
	}
	if !strings.HasPrefix(r.path, "/") {
		return request{}, fmt.Errorf("the URL %q has no path that begins with a slash: write http://HOST/PATH or /PATH", q.URL)
	}
	if p := u.Port(); p != "" {
		if r.port, err = strconv.Atoi(p); err != nil {
			return request{}, fmt.Errorf("the URL %q has no readable port: %w", q.URL, err)
		}
	}
	if h := q.Headers.Get("Host"); h != "" {
		r.host = strings.ToLower(h)
		if name, _, err := net.SplitHostPort(h); err == nil {
			r.host = strings.ToLower(name)
		}
	}
	return r, nil
}

func (r request) noListener(rev *gateway.Revision, fleet string) string {
	var ports []string
	for _, g := range rev.Gateways {
		if fleet == "" || fleet == g.Fleet {
			for _, l := range g.Listeners {
				ports = append(ports, fmt.Sprintf("%s on port %d", l.Name, l.Port))
			}
		}
	}
	if len(ports) == 0 {
		return "no Gateway has a listener"
	}
	slices.Sort(ports)
	return fmt.Sprintf("no listener on port %d; there is %s", r.port, strings.Join(ports, ", "))
}

// on explains the request at one listener. found is false where only the listener's 404 would answer.
func (r request) on(rev *gateway.Revision, g *gateway.Gateway, l *gateway.Listener) (answer Answer, found bool) {
	own := slices.DeleteFunc(slices.Clone(rev.Routes), func(x *gateway.Route) bool { return x.Gateway.Name != g.Name })
	host := r.virtualHost(l, own)
	name := routeConfiguration(g, l)
	answer = Answer{
		Fleet: g.Fleet, Gateway: g.Name, Listener: fmt.Sprintf("%s (%s)", l.Name, net.JoinHostPort(l.Address, strconv.Itoa(l.Port))),
		VirtualHost: name + "/" + host, Action: "answer 404", Hops: []gateway.Hop{},
	}
	if l.TLS != nil && host == gateway.AnyHost {
		answer.VirtualHost = "" // There is one for each name in the certificates.
	}
	if !l.Serves(host) {
		if l.TLS != nil {
			answer.Action = "end the handshake" // Where the client names the host there; on a connection to another one, answer 421.
		}
		answer.Why = fmt.Sprintf("listener %s serves %s, not the host %q", l.Name, strings.Join(l.Hosts, ", "), r.host)
		return answer, false
	}
	var missed []miss
	for _, x := range translate.Candidates(host, own) {
		if l.Redirect != nil && !translate.AnswersChallenges(x) {
			continue
		}
		differs := r.differs(&x.Match)
		if len(differs) == 0 {
			answer.Rejected = passedOver(missed)
			describe(&answer, x)
			answer.Told = r.told(x)
			return answer, true
		}
		missed = append(missed, miss{route: x, differs: differs})
	}
	answer.Rejected = r.nearest(missed)
	if l.Redirect != nil {
		answer.Action = fmt.Sprintf("redirect %d", l.Redirect.Status)
		answer.Why = fmt.Sprintf("listener %s sends its clients to port %d by HTTPS", l.Name, g.RedirectPort(l, host))
		return answer, r.port != 0 // Without a port another listener may be meant.
	}
	answer.Why = fmt.Sprintf("no route of host %q matches %s %s", host, r.method, r.path)
	return answer, false
}

// routeConfiguration returns the name of a listener's route configuration. One with TLS has one for each certificate; which of
// several is good for a host stands in no document.
func routeConfiguration(g *gateway.Gateway, l *gateway.Listener) string {
	name := translate.ListenerName(g, l)
	switch {
	case l.TLS == nil:
		return name
	case len(l.TLS.Certificates) == 1:
		return name + "~" + l.TLS.Certificates[0]
	}
	return name + "~CERTIFICATE"
}

// virtualHost returns the narrowest host pattern of a listener that covers the request's host.
func (r request) virtualHost(l *gateway.Listener, routes []*gateway.Route) string {
	best := gateway.AnyHost
	for _, x := range routes {
		for _, h := range x.Hosts {
			for _, served := range l.ServedHosts(h) {
				if gateway.HostCovers(served, r.host) && gateway.CompareHosts(served, best) < 0 {
					best = served
				}
			}
		}
	}
	return best
}

// describe fills in what a route does.
func describe(a *Answer, r *gateway.Route) {
	a.Route, a.Origin, a.Rules = r.Name, r.Origin.String(), r.Rules
	a.Filters, a.Policies, a.Limits = translate.Filters(r), r.Judgements(), r.ToldLimits()
	if hops := r.Hops(); hops != nil {
		a.Hops = hops
	}
	switch r.Action {
	case gateway.ActionForward:
		a.Action = does(r)
		a.Why = fmt.Sprintf("%s matches, and %s", r.Match.Path, caller(r))
	case gateway.ActionMethod:
		a.Action, a.Why = "answer 405", "the path takes "+strings.Join(r.Allow, ", ")
	case gateway.ActionDown:
		a.Action, a.Why = "answer 503", "the API is quarantined: its documents have faults, and no good version is known"
	case gateway.ActionRefuse:
		a.Action, a.Why = "answer 404", r.Object.String()+" has no operation for this path, and refuses what it does not list"
	}
	for _, t := range r.Targets {
		u := Upstream{Name: t.Upstream.Name, Cluster: translate.ClusterName(t.Upstream), Weight: t.Weight}
		for _, e := range t.Upstream.Endpoints {
			u.Endpoints = append(u.Endpoints, e.Address)
		}
		a.Upstreams = append(a.Upstreams, u)
	}
}
