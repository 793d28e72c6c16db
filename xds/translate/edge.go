package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// challenges is the path below which a certificate authority looks for answers to its challenges (RFC 8555 8.3). It comes by
// plain HTTP, and whoever answers there must be reached so.
const challenges = "/.well-known/acme-challenge"

// httpsPort is the port that https URLs leave out.
const httpsPort = 443

// hostsOfChain returns the virtual hosts behind a certificate: the listener's hosts for which it is good. What a client asks
// for beyond these it was never shown the right certificate for, and is told so with 421 (RFC 9110 15.5.20): a client that
// shares one connection among hosts then opens another.
func (b *builder) hostsOfChain(chain string, l *gateway.Listener, s gateway.Shown, known patterns, before map[string]*placedHost) []*placedHost {
	own := *l
	own.Hosts = s.Good
	return b.hostsBut(b.misdirected, chain, &own, known, before)
}

// misdirected returns the route that answers requests for hosts that belong to another certificate, or to none.
func misdirected(headers gateway.Headers) *routev3.Route {
	out := everything("misdirected")
	changeHeaders(out, headers, &gateway.Route{Name: out.Name})
	direct(out, gateway.NewProblem(http.StatusMisdirectedRequest, gateway.ProblemMisdirected,
		"the certificate of this connection is not for this host: open another connection for it"))
	return out
}

// everything returns a route without an action that matches all requests and that the guard lets through: there is nothing
// behind it.
func everything(name string) *routev3.Route {
	return &routev3.Route{
		Name:                 name,
		Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}},
		TypedPerFilterConfig: map[string]*anypb.Any{envoy.FilterGuard: packed(noGuard())},
	}
}

// redirectingHosts returns the virtual hosts of a listener that redirects: for each of its hosts the routes that answer the
// challenges of certificate authorities, and a redirect of all else.
func (b *builder) redirectingHosts(name string, g *gateway.Gateway, l *gateway.Listener, known patterns) []*placedHost {
	answering := patterns{}
	hosts := append([]string{gateway.AnyHost}, l.Hosts...)
	for pattern, routes := range known {
		if own := slices.DeleteFunc(slices.Clone(routes), func(r *gateway.Route) bool { return !AnswersChallenges(r) }); len(own) > 0 {
			answering[pattern] = own
			hosts = append(hosts, l.ServedHosts(pattern)...)
		}
	}
	slices.SortFunc(hosts, gateway.CompareHosts)
	var out []*placedHost
	for _, host := range slices.Compact(hosts) {
		placed := &placedHost{host: &routev3.VirtualHost{Name: name + "/" + host, Domains: []string{host}}, origin: g.Origin.At("listeners")}
		if !l.Serves(host) {
			placed.answer(b.notFound)
			out = append(out, placed)
			continue
		}
		var routes []*routev3.Route
		for _, r := range covering(answering.of(host)) {
			routes = append(routes, b.route(r))
		}
		placed.answer(append(routes, redirect(l.Redirect, g.RedirectPort(l, host)))...)
		out = append(out, placed)
	}
	return out
}

// AnswersChallenges reports whether a route answers challenges of a certificate authority, and so is served by plain HTTP where
// all else is redirected.
func AnswersChallenges(r *gateway.Route) bool {
	literal := r.Match.Path.Literal()
	return r.Action == gateway.ActionForward && (literal == challenges || strings.HasPrefix(literal, challenges+"/"))
}

// redirect returns the route that sends a client to the same host and path by HTTPS, its query kept.
func redirect(r *gateway.Redirect, port int) *routev3.Route {
	out := everything(fmt.Sprintf("redirect-%d", port))
	action := &routev3.RedirectAction{
		SchemeRewriteSpecifier: &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true},
		ResponseCode:           routev3.RedirectAction_PERMANENT_REDIRECT,
	}
	if port != httpsPort {
		action.PortRedirect = uint32(port)
	}
	if r.Status == http.StatusMovedPermanently {
		action.ResponseCode = routev3.RedirectAction_MOVED_PERMANENTLY
	}
	out.Action = &routev3.Route_Redirect{Redirect: action}
	return out
}

// stripPort makes a listener that redirects forget the port that a client named: it is not the one to go to.
func stripPort(m *hcmv3.HttpConnectionManager) {
	m.StripPortMode = &hcmv3.HttpConnectionManager_StripAnyHostPort{StripAnyHostPort: true}
}
