package translate

import (
	"strings"

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
		{details: refusal(""), code: gateway.ProblemForbidden, reason: name},
	}
}

// refusedCalls are the same for gRPC callers, for whom the status is what counts: it becomes that of gRPC.
func refusedCalls() []reply {
	all := refused()
	return []reply{
		{details: refusal(envoy.RefusedToken) + " || " + refusal(envoy.RefusedIdentity), becomes: 401, code: gateway.ProblemUnauthorized, challenge: challenge},
		{details: refusal(envoy.RefusedDecision), becomes: 503, code: gateway.ProblemAuthzAway, wait: true},
		all[len(all)-1],
	}
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
