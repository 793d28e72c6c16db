package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// guardDenied begins the response code details of what the guard refuses.
const guardDenied = "rbac_access_denied"

// Reasons of refusals that no document names. They are part of what clients may rely on.
const (
	reasonScope       = "insufficient-scope"
	reasonCertificate = "client-certificate-needed"
)

// ReasonAddress is the reason of a refusal by an address list.
const ReasonAddress = "address-refused"

// challenge begins the WWW-Authenticate of a refusal; the realm is the host, as only a request says it.
const challenge = `Bearer realm="%REQ(:AUTHORITY)%"`

// refused lists the answers where the guard refuses what the filter before it found: 401 with a challenge to who could show a
// token, 403 with a reason to who is known, or could show nothing. Envoy's own body says that access is denied, and stays the
// detail.
func refused() []reply {
	name := "%DYNAMIC_METADATA(" + envoy.MetadataRBAC + ":" + envoy.KeyRefusal + ")%"
	return []reply{
		{
			details: refusal(envoy.RefusedToken) + " || " + refusal(envoy.RefusedIdentity) + " && " + badToken(), becomes: 401,
			code: gateway.ProblemUnauthorized, challenge: challenge + `, error="invalid_token"`,
		},
		{details: refusal(envoy.RefusedIdentity), becomes: 401, code: gateway.ProblemUnauthorized, challenge: challenge},
		{details: refusal(envoy.RefusedCertificate), code: gateway.ProblemForbidden, reason: reasonCertificate},
		{details: refusal(envoy.RefusedDecision), becomes: 503, code: gateway.ProblemAuthzAway, wait: true},
		{
			details: refusal(envoy.RefusedScope), code: gateway.ProblemForbidden, reason: reasonScope,
			challenge: challenge + `, error="insufficient_scope", ` + name,
		},
		{details: policyDenial() + " && " + deniedReason() + " != ''", code: gateway.ProblemDenied, detail: denied, reason: "%CEL(" + deniedReason() + ")%"},
		{details: policyDenial(), code: gateway.ProblemDenied, detail: denied},
		{details: refusal(""), code: gateway.ProblemForbidden, reason: name},
	}
}

// wrongAudience is what Envoy answers by 403 to a good token that is for somebody else, the one thing about tokens that it answers so:
// such a token is invalid here, and that is 401 (RFC 6750, section 3.1), as where Gatehouse judges it. The
// challenge is there.
func wrongAudience() reply {
	return reply{details: begins("jwt_authn_access_denied"), status: 403, becomes: 401, code: gateway.ProblemUnauthorized}
}

// refusedCalls are the same for gRPC callers, for whom the status is what counts: it becomes that of gRPC.
func refusedCalls() []reply {
	all, audience := refused(), wrongAudience()
	audience.detail = "%LOCAL_REPLY_BODY%"
	return []reply{
		audience,
		{details: refusal(envoy.RefusedToken) + " || " + refusal(envoy.RefusedIdentity), becomes: 401, code: gateway.ProblemUnauthorized, challenge: challenge},
		{details: refusal(envoy.RefusedDecision), becomes: 503, code: gateway.ProblemAuthzAway, wait: true},
		all[len(all)-3],
		all[len(all)-2],
		all[len(all)-1],
	}
}

// policyDenial holds when a policy refused that Envoy decides (envoy.PolicyRefusal). Of the other refusals only a claim's may have
// a slash in its name.
func policyDenial() string {
	found := metadataOf(envoy.MetadataRBAC, envoy.KeyRefusal)
	return refusal("") + " && " + found + ".contains('/') && !" + found + ".startsWith('" + envoy.RefusedClaim + "')"
}

// denied is the detail of what a policy denies, as Gatehouse says it where it decides.
const denied = "A policy denied the request."

// deniedReason returns the CEL expression of the reason of a policy's refusal: the route tells it (reasons), as nothing can cut it
// out of the refusal's name. It holds no parenthesis, which would end it where Envoy puts its value in.
func deniedReason() string {
	return "xds.route_metadata.filter_metadata['" + envoy.MetadataReasons + "'][" + metadataOf(envoy.MetadataRBAC, envoy.KeyRefusal) + "]"
}

// routeMetadata returns what a route tells of its refusals to who writes their answers; nil where there is nothing.
func routeMetadata(r *gateway.Route) *corev3.Metadata {
	out := &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{}}
	if all := reasons(r); len(all.Fields) > 0 {
		out.FilterMetadata[envoy.MetadataReasons] = all
	}
	if name := soleCeiling(r); name != "" {
		out.FilterMetadata[envoy.MetadataCeiling] = &structpb.Struct{Fields: map[string]*structpb.Value{envoy.MetadataCeilingLimit: structpb.NewStringValue(name)}}
	}
	if len(out.FilterMetadata) == 0 {
		return nil
	}
	return out
}

// reasons returns what a route tells of the refusals by its policies: the reason of each by its name.
func reasons(r *gateway.Route) *structpb.Struct {
	all := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	refused := refusals{}
	refused.addPolicies(r, gateway.Enforce)
	for _, p := range r.Native() {
		if p.Mode != gateway.Enforce || p.Reason == "" {
			continue
		}
		for _, name := range refused.names(envoy.PolicyRefusal(p.Policy.Name, p.Reason)) {
			all.Fields[name] = structpb.NewStringValue(p.Reason)
		}
	}
	return all
}

// refusal holds when the guard refused what begins with a name.
func refusal(name string) string {
	found := metadataOf(envoy.MetadataRBAC, envoy.KeyRefusal)
	if name == "" {
		return begins(guardDenied) + " && " + found + " != ''"
	}
	return begins(guardDenied) + " && " + found + ".startsWith('" + name + "')"
}

// badToken holds when there was a token, and it was not good: the token filter says so, or verified one that the route does not
// take.
func badToken() string {
	failure := metadataOf(envoy.MetadataJWT, envoy.MetadataJWTFailure, "message")
	issuer := metadataOf(envoy.MetadataJWT, envoy.MetadataJWTClaims, "iss")
	return "(" + failure + " != '" + jwtMissing + "' || " + issuer + " != '')"
}

// jwtMissing is what the token filter says where there is no token.
const jwtMissing = "Jwt is missing"

// metadataOf returns the CEL expression of what a filter wrote down.
func metadataOf(namespace string, path ...string) string {
	return "metadata.filter_metadata['" + strings.Join(append([]string{namespace}, path...), "']['") + "']"
}
