package translate

import (
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// jwtCacheSize is how many verified tokens each worker of an Envoy remembers for one issuer: verifying an RS256 signature
// costs far more than a look-up.
const jwtCacheSize = 1000

// A token stands in this header, behind this word (RFC 6750 2.1).
const (
	headerAuthorization = "authorization"
	bearer              = "Bearer "
)

func emptyJWT() *jwtv3.JwtAuthentication { return &jwtv3.JwtAuthentication{} }

// keptTranslations is for how many translations a token requirement that no route names any more stays. Envoys get the filter's
// configuration before their routes, and a route whose requirement is gone refuses everybody; several reloads may come while
// one Envoy still waits for its routes, as each file that an editor or git writes may be one.
const keptTranslations = 16

// addTokens adds the configuration of the one token filter of a fleet: a provider for each issuer and a requirement for each
// set of issuers that some route accepts. Requirements are named by their content.
func (out *Resources) addTokens(b *builder, routes []*gateway.Route) gateway.Faults {
	var faults gateway.Faults
	out.JWT = emptyJWT()
	out.JWT.Providers = map[string]*jwtv3.JwtProvider{}
	out.JWT.RequirementMap = map[string]*jwtv3.JwtRequirement{}
	for _, r := range routes {
		issuers := r.Issuers(gateway.ByJWT)
		if len(issuers) == 0 {
			continue
		}
		for _, issuer := range issuers {
			name := b.provider(issuer)
			if out.JWT.Providers[name] != nil {
				continue
			}
			out.learnt.issuers[name] = issuer
			keys := keySetOf(issuer, b.observed)
			switch {
			case len(keys) == 0 && issuer.KeyURL != nil:
				keys = gateway.UnknownKeys()
			case len(keys) == 0:
				faults = append(faults, gateway.Fault{
					Code: gateway.CodeKeySet, Place: issuer.Origin.At("jwks"), Field: "jwks", Object: gateway.Ref{Kind: gateway.KindIssuer, Name: issuer.Name},
					Message: "no key set of this Issuer is known: write it into the file that jwks names",
				})
			}
			out.JWT.Providers[name] = jwtProvider(issuer, keys)
		}
		if name := b.requirement(r); out.JWT.RequirementMap[name] == nil {
			out.JWT.RequirementMap[name] = jwtRequirement(b.accepted(r), insistenceOf(r))
		}
	}
	return faults
}

// keepRequirements puts those of prev beside the new ones, as routes that name them are replaced only after this. Their
// issuers' keys are those of now.
func (out *Resources) keepRequirements(b *builder, prev *Resources) {
	for name, age := range prev.requirements {
		if _, named := out.requirements[name]; named || age+1 > keptTranslations {
			continue
		}
		requirement := prev.JWT.RequirementMap[name]
		out.requirements[name] = age + 1
		out.JWT.RequirementMap[name] = requirement
		for _, provider := range requirementProviders(requirement) {
			if out.JWT.Providers[provider] != nil {
				continue
			}
			out.learnt.issuers[provider] = prev.learnt.issuers[provider]
			out.JWT.Providers[provider] = withKeys(prev.JWT.Providers[provider], prev.learnt.issuers[provider], b.observed)
		}
	}
}

func requirementProviders(r *jwtv3.JwtRequirement) []string {
	if p := r.GetProviderName(); p != "" {
		return []string{p}
	}
	var names []string
	for _, each := range r.GetRequiresAny().GetRequirements() {
		if p := each.GetProviderName(); p != "" {
			names = append(names, p)
		}
	}
	return names
}

// insistence is what becomes of a request whose token is missing or is none that the route takes.
type insistence string

// The ways to insist on a token.
const (
	insists      insistence = ""       // It is refused.
	letsMissing  insistence = "absent" // Without a token it goes on; with a bad one it is refused.
	letsUnproven insistence = "any"    // It goes on: another proof may do, which later filters look for.
)

// insistenceOf returns how a route insists on a token. Where the only other way is to be nobody, a bad token is still refused: who
// shows one means to be somebody.
func insistenceOf(r *gateway.Route) insistence {
	if r.TakesToken() {
		return insists
	}
	for _, way := range r.Ways {
		if slices.ContainsFunc(way, func(p gateway.ResolvedProof) bool { return p.Kind != gateway.ByJWT && p.Kind != gateway.ByNobody }) {
			return letsUnproven
		}
	}
	return letsMissing
}

// jwtRequirement returns what asks for a token of one of the providers.
func jwtRequirement(all []string, how insistence) *jwtv3.JwtRequirement {
	any := &jwtv3.JwtRequirementOrList{}
	for _, name := range all {
		any.Requirements = append(any.Requirements, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: name}})
	}
	switch how {
	case letsMissing:
		any.Requirements = append(any.Requirements, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_AllowMissing{AllowMissing: &emptypb.Empty{}}})
	case letsUnproven:
		any.Requirements = append(any.Requirements, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_AllowMissingOrFailed{AllowMissingOrFailed: &emptypb.Empty{}}})
	}
	if len(any.Requirements) == 1 {
		return any.Requirements[0]
	}
	return &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_RequiresAny{RequiresAny: any}}
}

// jwtProvider returns how tokens of an issuer are verified. The key set is given inline: Envoy's own fetch would turn an
// issuer's outage into 401. Tokens are taken from the Authorization header alone, as one in a query ends up in logs.
func jwtProvider(i *gateway.Issuer, keys []byte) *jwtv3.JwtProvider {
	out := &jwtv3.JwtProvider{
		Issuer:    i.Issuer,
		Audiences: i.Audiences,
		JwksSourceSpecifier: &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: string(keys)},
		}},
		Forward:                true,
		FromHeaders:            []*jwtv3.JwtHeader{{Name: headerAuthorization, ValuePrefix: bearer}},
		PayloadInMetadata:      envoy.MetadataJWTClaims,
		FailedStatusInMetadata: envoy.MetadataJWTFailure,
		RequireExpiration:      true,
		ClockSkewSeconds:       uint32(i.Skew / time.Second),
		JwtCacheConfig:         &jwtv3.JwtCacheConfig{JwtCacheSize: jwtCacheSize},
		ClaimToHeaders: []*jwtv3.JwtClaimToHeader{
			{HeaderName: envoy.HeaderIssuer, ClaimName: "iss"},
			{HeaderName: envoy.HeaderSubject, ClaimName: "sub"},
		},
	}
	if i.MaxLifetime > 0 {
		out.MaxLifetime = durationpb.New(i.MaxLifetime)
	}
	if len(i.Algorithms)+len(i.Types) > 0 {
		out.HeaderInMetadata = envoy.MetadataJWTHeader
	}
	return out
}
