package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// What follows tells upstreams who calls, where Envoy knows it (gateway.Route.EnvoyTells). It does so in its router, behind every filter:
// of several values that are put in place of one another the last that is not empty stays.

// told is how a header is filled: by formats, the last of which counts that gives something.
type told struct {
	header  string
	formats []string
}

// tell makes a route tell the upstream who calls.
func tell(out *routev3.Route, r *gateway.Route) {
	if len(r.Ways) == 0 || !r.EnvoyTells() {
		return
	}
	ways := gateway.TriedWays(r.Ways)
	headers := tellingOf(ways[0].Leads())
	if !r.KnownAlike() {
		headers = tellingByWay(ways)
	}
	for _, h := range headers {
		for _, format := range h.formats {
			out.RequestHeadersToAdd = append(out.RequestHeadersToAdd, setHeader(h.header, format))
		}
	}
}

// tellingOf returns how a caller is told of who is known by a proof.
func tellingOf(p *gateway.ResolvedProof) []told {
	kind := told{envoy.HeaderIdentity, []string{string(p.Kind)}}
	switch p.Kind {
	case gateway.ByJWT: // The client that a token was issued to is its application, and where it has no subject its caller.
		client := []string{claimFormat("azp"), claimFormat("client_id")}
		return []told{kind, {envoy.HeaderConsumer, append(client, claimFormat("sub"))}, {envoy.HeaderApplication, client}}
	case gateway.ByCertificate:
		return []told{kind, {envoy.HeaderConsumer, []string{"%CEL(" + certificateConsumer() + ")%"}}}
	}
	return []told{kind, {envoy.HeaderConsumer, []string{strings.ReplaceAll(p.Name, "%", "%%")}}}
}

// tellingByWay returns how a caller is told of by the way that counted, of which the guard wrote down the name.
func tellingByWay(ways []gateway.Way) []told {
	kind, consumer, application := "''", "''", "''"
	for i, way := range slices.Backward(ways) {
		p := way.Leads()
		this := fmt.Sprintf("%s == '%s' ? ", metadataOf(envoy.MetadataRBAC, envoy.KeyWay), envoy.Way(i+1))
		kind = this + "'" + string(p.Kind) + "' : " + kind
		who, by := callerExpressions(p)
		consumer, application = this+"("+who+") : "+consumer, this+"("+by+") : "+application
	}
	cel := func(header, expression string) told { return told{header, []string{"%CEL(" + expression + ")%"}} }
	return []told{cel(envoy.HeaderIdentity, kind), cel(envoy.HeaderConsumer, consumer), cel(envoy.HeaderApplication, application)}
}

// callerExpressions return the expressions for who calls, and for the application, by a proof.
func callerExpressions(p *gateway.ResolvedProof) (who, by string) {
	who, by = strconv.Quote(p.Name), "''"
	switch p.Kind {
	case gateway.ByJWT:
		by = claimOr("client_id", claimOr("azp", "''"))
		who = claimOr("sub", by)
	case gateway.ByCertificate:
		who = certificateConsumer()
	}
	return who, by
}

// claimFormat returns what Envoy puts a claim of the verified token for: nothing where there is none.
func claimFormat(name string) string {
	return "%DYNAMIC_METADATA(" + envoy.MetadataJWT + ":" + envoy.MetadataJWTClaims + ":" + name + ")%"
}

// claimOr returns an expression for a claim that is there and not empty, or for something else.
func claimOr(name, otherwise string) string {
	value := metadataOf(envoy.MetadataJWT, envoy.MetadataJWTClaims, name)
	return fmt.Sprintf("'%s' in %s && %s != '' ? %s : (%s)", name, metadataOf(envoy.MetadataJWT, envoy.MetadataJWTClaims), value, value, otherwise)
}

// certificateConsumer returns an expression for whom the client's certificate names: its first URI name, or else its first DNS name, or
// else its subject.
func certificateConsumer() string {
	const uri, dns = "connection.uri_san_peer_certificate", "connection.dns_san_peer_certificate"
	return "has(" + uri + ") ? " + uri + " : has(" + dns + ") ? " + dns + " : connection.subject_peer_certificate"
}

// toldNames returns the names of the headers that tell who calls, without their prefix.
func toldNames() []string {
	var names []string
	for _, header := range envoy.ToldHeaders() {
		names = append(names, strings.TrimPrefix(header, envoy.HeaderPrefix))
	}
	return names
}
