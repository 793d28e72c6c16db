package translate

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// headerFormat returns a value in Envoy's words, in which a percent sign begins a command: the literal parts hold none.
func headerFormat(parts []gateway.HeaderPart, r *gateway.Route) string {
	var out strings.Builder
	for _, p := range parts {
		out.WriteString(partFormat(p, r))
	}
	return out.String()
}

func partFormat(p gateway.HeaderPart, r *gateway.Route) string {
	if p.Field == "" {
		return escaped(p.Text)
	}
	if text, constant := constantPart(p.Field, r); constant {
		return escaped(text)
	}
	switch p.Field {
	case gateway.PartIdentity, gateway.PartConsumer, gateway.PartApplication:
		return callerFormat(p.Field, r)
	}
	return formats()[p.Field]
}

// constantPart returns what a part is on a route whatever the request.
func constantPart(p gateway.RequestedPart, r *gateway.Route) (text string, constant bool) {
	switch p {
	case gateway.PartRoute:
		return r.Name, true
	case gateway.PartGateway:
		if r.Gateway == nil {
			return "", true
		}
		return r.Gateway.Name, true
	case gateway.PartAPI:
		return r.API, true
	case gateway.PartVersion:
		return r.Version, true
	case gateway.PartOperation:
		return r.Operation, true
	}
	return "", false
}

// formats are Envoy's words for parts that only a request tells.
func formats() map[gateway.RequestedPart]string {
	return map[gateway.RequestedPart]string{
		gateway.PartClientAddress:   "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
		gateway.PartRequestID:       "%REQ(x-request-id)%",
		gateway.PartRequestHost:     "%REQ(:authority)%",
		gateway.PartRequestMethod:   "%REQ(:method)%",
		gateway.PartRequestPath:     "%PATH(NQ:ORIG_OR_PATH)%",
		gateway.PartRequestScheme:   "%REQ(:scheme)%",
		gateway.PartRequestProtocol: "%PROTOCOL%",
		gateway.PartTLSVersion:      "%DOWNSTREAM_TLS_VERSION%",
		gateway.PartTLSCipher:       "%DOWNSTREAM_TLS_CIPHER%",
		gateway.PartTLSServerName:   "%REQUESTED_SERVER_NAME%",
		gateway.PartCertSubject:     "%DOWNSTREAM_PEER_SUBJECT%",
		gateway.PartCertIssuer:      "%DOWNSTREAM_PEER_ISSUER%",
		gateway.PartCertURI:         "%DOWNSTREAM_PEER_URI_SAN%",
		gateway.PartCertDNS:         "%DOWNSTREAM_PEER_DNS_SAN%",
		gateway.PartCertSerial:      "%DOWNSTREAM_PEER_SERIAL%",
		gateway.PartCertFingerprint: "%DOWNSTREAM_PEER_FINGERPRINT_256%",
	}
}

// callerFormat returns Envoy's words for who calls: what the authorization service says where it is asked, else the same
// expression of the proofs by which upstreams are told (tell).
func callerFormat(p gateway.RequestedPart, r *gateway.Route) string {
	header := map[gateway.RequestedPart]string{
		gateway.PartIdentity: envoy.HeaderIdentity, gateway.PartConsumer: envoy.HeaderConsumer, gateway.PartApplication: envoy.HeaderApplication,
	}[p]
	if len(r.Ways) == 0 {
		return ""
	}
	if !r.EnvoyTells() {
		return "%REQ(" + header + ")%"
	}
	ways := gateway.TriedWays(r.Ways)
	expressions := tellingByWay(ways)
	if r.KnownAlike() {
		expressions = tellingAlike(ways[0].Leads())
	}
	at := slices.IndexFunc(expressions, func(t told) bool { return t.header == header })
	if at < 0 {
		return ""
	}
	return expressions[at].formats[0]
}

// tellingAlike is tellingByWay where all ways say the same.
func tellingAlike(p *gateway.ResolvedProof) []told {
	who, by := callerExpressions(p)
	cel := func(header, expression string) told { return told{header, []string{"%CEL(" + expression + ")%"}} }
	return []told{{envoy.HeaderIdentity, []string{string(p.Kind)}}, cel(envoy.HeaderConsumer, who), cel(envoy.HeaderApplication, by)}
}
