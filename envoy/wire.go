// Package envoy is the data plane's side of Gatehouse: the names that both ends of a wire must spell alike, the
// bootstrap by which an Envoy joins, and how an Envoy is started and asked to judge a configuration on this machine.
//
// In: settings of one node (fleet, name, sockets). Out: a bootstrap document, a running child process, a verdict.
// It knows nothing of APIs, policies or revisions.
package envoy

import (
	"fmt"
	"strconv"
	"strings"
)

// Clusters of the bootstrap through which an Envoy reaches Gatehouse.
const (
	ClusterXDS       = "gatehouse_xds"
	ClusterAuthz     = "gatehouse_authz"
	ClusterRateLimit = "gatehouse_ratelimit"
	ClusterAccessLog = "gatehouse_accesslog"
)

// Instances of HTTP filters, in the one fixed order in which every listener carries them. Envoy accepts a misspelt key of
// typed_per_filter_config in silence, so these are spelt here and nowhere else.
const (
	FilterPages           = "gatehouse.pages"      // Puts pages in place of problem documents.
	FilterPagesKeep       = "gatehouse.pages.keep" // Writes down which headers stay then.
	FilterJWT             = "gatehouse.jwt"
	FilterAuthzClosed     = "gatehouse.authz.closed"
	FilterAuthzOpen       = "gatehouse.authz.open"
	FilterPolicy          = "gatehouse.policy"
	FilterGuard           = "gatehouse.guard"
	FilterCeilingCheck    = "gatehouse.ceiling.check" // Ceilings in front of Checks that spend limits.
	FilterCeiling         = "gatehouse.ceiling"       // Ceilings in front of rate limit calls.
	FilterCost            = "gatehouse.cost"          // Takes costs from responses.
	FilterRateLimitClosed = "gatehouse.ratelimit.closed"
	FilterRateLimitOpen   = "gatehouse.ratelimit.open"
	// FilterQuotaMark tells FilterQuota which limit a route has; FilterQuota enforces this Envoy's part of it.
	FilterQuotaMark = "gatehouse.quota.mark"
	FilterQuota     = "gatehouse.quota"
	FilterRouter    = "envoy.filters.http.router"
)

// MetadataPages is the namespace in which FilterPagesKeep writes.
const MetadataPages = "gatehouse.pages"

// Namespaces of dynamic metadata that Envoy's filters write, and the keys under which Gatehouse finds its evidence there.
const (
	// MetadataJWT is the namespace in which jwt_authn stores the payload of a verified token (envoy-facts 8).
	MetadataJWT = "envoy.filters.http.jwt_authn"
	// MetadataJWTClaims is the key of that payload; each provider writes the same key, its iss tells which one it was.
	MetadataJWTClaims = "claims"
	// MetadataJWTHeader is the key of the token's header there, where something of it matters.
	MetadataJWTHeader = "header"
	// MetadataJWTFailure is the key of what was wrong with a token, or that there was none: code and message.
	MetadataJWTFailure = "failure"
	// MetadataAuthz is the namespace in which ext_authz stores what a CheckResponse carries as dynamic_metadata.
	MetadataAuthz = "envoy.filters.http.ext_authz"
	// MetadataAuthzRules is the key of the rules hash that an allowing CheckResponse repeats: the guard's evidence.
	MetadataAuthzRules = "rules"
	// MetadataAuthzLimits is the key of what became of the route's limits, where the Check spends them: one of the words below.
	MetadataAuthzLimits = "gatehouse.limits"
	// MetadataCeiling is the namespace of a route's metadata, and MetadataCeilingLimit the key, of the limit whose ceiling refuses.
	MetadataCeiling      = "gatehouse.ceiling"
	MetadataCeilingLimit = "limit"
	// MetadataRateLimit is the namespace in which the rate limit filters store what a RateLimitResponse carries as
	// dynamic_metadata.
	MetadataRateLimit = "envoy.filters.http.ratelimit"
	// MetadataRateLimitRules is the key of the rules hash that every answer of the rate limit service repeats. A limited
	// route's access log entry without it was let through by a failure, of which the filter leaves no other trace.
	MetadataRateLimitRules = "rules"
	// MetadataRateLimitLimit is the key of the name of the first limit that is reached, in answers that say so.
	MetadataRateLimitLimit = "limit"
	// MetadataRateLimitShadow is the key of the name of the first limit in shadow mode that would have refused the request.
	MetadataRateLimitShadow = "shadow"
	// MetadataAuthzShadow is the same where the Check spends the limits.
	MetadataAuthzShadow = "gatehouse.limits.shadow"
)

// MetadataCost is the namespace in which FilterCost leaves costs, as texts by the names of the response headers in which they stood.
const MetadataCost = "gatehouse.cost"

// What the filter FilterPolicy leaves behind, in the namespace MetadataRBAC: under KeyPolicyResult whether nothing is to be refused,
// which is evidence for the guard, and under KeyRefusal the name of what is. The guard refuses it then, one filter later,
// as an answer of Envoy's cannot tell what the filter that gives it writes down. A requirement's refusal is named as the requirement. Names
// that no document can give begin with what Refused... say.
const (
	MetadataRBAC = "envoy.filters.http.rbac"
	// PrefixPolicy begins the keys that the filter writes, and its counters.
	PrefixPolicy    = "policy."
	KeyPolicyResult = PrefixPolicy + "shadow_engine_result"
	KeyRefusal      = PrefixPolicy + "shadow_effective_policy_id"
	PolicyAllowed   = "allowed" // Under KeyPolicyResult.
	PolicyDenied    = "denied"

	RefusedIdentity    = "(identity)"    // Nothing that was shown proves who calls; a token would.
	RefusedCertificate = "(certificate)" // No client certificate proves who calls, and nothing else would.
	RefusedToken       = "(token)"       // Beside the verified token stands something else.
	RefusedDecision    = "(decision)"    // Who calls is known to the authorization service alone, which cannot be asked.
	RefusedScope       = "scope="        // Then the scopes in quotes, as in a challenge (RFC 6750 3).
	RefusedClaim       = "claim:"        // Then the claim's path.

	// PrefixGuard begins the keys that the guard writes, and its counters: under KeyShadowResult whether it would have refused had
	// the policies in shadow mode counted, and under KeyShadow the name of that.
	PrefixGuard     = "guard."
	KeyShadowResult = PrefixGuard + "shadow_engine_result"
	KeyShadow       = PrefixGuard + "shadow_effective_policy_id"
	// KeyWay is the key under which the guard writes the name of the rule that let a request pass: Way's, where ways differ in what
	// they say of a caller.
	KeyWay = PrefixGuard + "enforced_effective_policy_id"
	// RefusedPlain stands in the name of a policy's refusal where the policy gives no reason (PolicyRefusal).
	RefusedPlain = "denied"
	// MetadataReasons is the namespace in a route's metadata that has, by the name of a policy's refusal, its reason.
	MetadataReasons = "gatehouse.reasons"
)

// PolicyRefusal returns the name of the refusal by a policy that Envoy decides: POLICY/REASON, as no other refusal is named.
func PolicyRefusal(policy, reason string) string {
	if reason == "" {
		reason = RefusedPlain
	}
	return policy + "/" + reason
}

// Way returns the name of the guard's rule for the n-th way to prove who calls, in the order in which they are tried. Envoy looks
// at rules in the order of their names.
func Way(n int) string { return fmt.Sprintf("way-%03d", n) }

// FurtherRefusal returns the n-th name of a policy's refusal, n from 1: the name itself, and then POLICY~N/REASON. A rule of
// Envoy's has a name of its own, and a refusal may need several.
func FurtherRefusal(name string, n int) string {
	policy, reason, ok := strings.Cut(name, "/")
	if n == 1 || !ok {
		return name
	}
	return policy + "~" + strconv.Itoa(n) + "/" + reason
}

// SplitPolicyRefusal takes a name of a refusal apart. ok is false where it is not that of a policy. A reason is as in
// PolicyRefusal; in response code details an underscore stands for each blank of it.
func SplitPolicyRefusal(name string) (policy, reason string, ok bool) {
	policy, reason, ok = strings.Cut(name, "/")
	policy, _, _ = strings.Cut(policy, "~")
	if !ok || policy == "" || strings.Trim(policy, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		return "", "", false
	}
	return policy, reason, true
}

// Context extensions of a CheckRequest.
const (
	KeyRules  = "rules"  // The rules hash of its route.
	KeyLimits = "limits" // LimitsSpend where the Check spends the route's limits; nothing where another call does.
)

// Values of KeyLimits and of MetadataAuthzLimits.
const (
	LimitsSpend   = "spend"
	LimitsCounted = "counted" // They counted the request.
	LimitsRefused = "refused" // One is reached, and the request was refused for that.
	LimitsUnasked = "unasked" // They could not be asked, and the request went on.
)

// Rate limit calls. The first entry of each descriptor is (DescriptorRules, hash), the second (DescriptorLimit, name); the
// settings of the limit are in the rules, and no entry repeats them. What follows says what the request has, in this order:
//
//   - any number of (DescriptorWhen, text), to be passed over: Envoy has found that a part of the limit's conditions holds. Where
//     one does not hold, there is no descriptor, and where none is left, no call.
//   - (DescriptorCost, text), where the cost stands in a header, in a claim, or in the content-length; left out where the request
//     lacks it.
//   - one entry for each part of the limit's key, in its order and named as in the document ("token.sub"), left out where the
//     request lacks it. There are three exceptions: DescriptorAddress stands for "client.address"; DescriptorTarget stands, once, for
//     all parts "path.PARAMETER", at the place of the first, and the service splits it by the template in the rules, as a Check does;
//     DescriptorIssuer comes before "consumer".
//
// At the end of a stream, what is known only then is told by a call of its own (apply_on_stream_done). Its descriptors are
// (DescriptorRules, hash), (DescriptorLimit, name), (DescriptorBucket, what the answer of before said under MetadataBuckets), and
// (DescriptorCost, text), left out where the response lacks it. There is no descriptor where the answer of before said nothing.
const (
	RateLimitDomain = "gatehouse"
	DescriptorRules = "rules"
	DescriptorLimit = "limit"
	DescriptorWhen  = "when"
	// DescriptorCost is the key of what the request costs: a decimal number, or for sizes of bodies bytes. Text that is no number
	// counts as 1, except that a body whose size is not known before it is there is told of at the end of the stream.
	DescriptorCost = "cost"
	// DescriptorAddress is Envoy's own name of the entry for the key part "client.address".
	DescriptorAddress = "remote_address"
	// DescriptorTarget is the key of the request's target, with its query, as Envoy has normalised it.
	DescriptorTarget = "target"
	// DescriptorIssuer is the key of the iss of the token that proves who the consumer is. A consumer is known by both.
	DescriptorIssuer = "consumer.issuer"
	// DescriptorBucket is the key of what names the bucket of a request whose stream ends.
	DescriptorBucket = "bucket"
	// DescriptorValues is the key of what stands for all parts of a limit's key where a daemon passes a request on to its successor.
	DescriptorValues = "values"
	// MetadataBuckets is a key of MetadataRateLimit, in answers of the rate limit service, and of MetadataAuthz, in answers to
	// Checks that spend: a struct that has, by the name of each limit whose cost is known only at the end of the stream, a text by
	// which the service finds the bucket again. A limit that does not count the request is not in it.
	MetadataBuckets = "gatehouse.buckets"
)

// Headers by which Gatehouse tells something. HeaderPrefix is stripped from every client request before a route is chosen.
const (
	HeaderPrefix = "x-gatehouse-"
	HeaderNode   = "x-gatehouse-node" // FLEET/NODE, on every call from an Envoy to Gatehouse
	HeaderCall   = "x-gatehouse-call" // A name of each limit call, the same in all its attempts: Envoy's, never a client's
	// HeaderClient, on a Check, is the client's address where a Gateway trusts others about it; it need not be the peer's then.
	HeaderClient = "x-gatehouse-client"
	// HeaderLimits tells an upstream with LimitsUnasked that a limit could not be asked about the request.
	HeaderLimits = "x-gatehouse-limits"
	// The following tell the upstream who calls (docs/identity.md). One that has nothing to tell is not there.
	HeaderIdentity    = "x-gatehouse-identity"    // The kind of proof: jwt, introspection, key, certificate or anonymous.
	HeaderConsumer    = "x-gatehouse-consumer"    // Who calls.
	HeaderApplication = "x-gatehouse-application" // By which application.
	HeaderPlan        = "x-gatehouse-plan"        // By which plan, of a key.
	HeaderIssuer      = "x-gatehouse-issuer"      // iss of the verified token.
	HeaderSubject     = "x-gatehouse-subject"     // sub of the verified token.
	// HeaderFailureModeAllowed is set by ext_authz when it lets a request through because the call failed.
	HeaderFailureModeAllowed = "x-envoy-auth-failure-mode-allowed"
)

// ToldHeaders returns the headers that tell the upstream who calls.
func ToldHeaders() []string {
	return []string{HeaderIdentity, HeaderConsumer, HeaderApplication, HeaderPlan, HeaderIssuer, HeaderSubject}
}

// Resource names of xDS beside those that come from documents.
const (
	// ResourceJWT is the ECDS resource that holds the jwt_authn filter's configuration.
	ResourceJWT = FilterJWT
	// ResourceQuota is the ECDS resource that says which limits Envoys enforce by themselves.
	ResourceQuota = FilterQuota
	// AccessLogName is the log_name of the gRPC access log.
	AccessLogName = "gatehouse"
)

// BootstrapVersion is the version of the bootstrap contract, sent as node metadata under KeyBootstrap.
const (
	BootstrapVersion = "2"
	KeyBootstrap     = "gatehouse.bootstrap"
	// KeyAdmin is the key of the node metadata under which an Envoy says where its admin socket is, on its own machine.
	KeyAdmin = "gatehouse.admin"
)

// StatUpstreams is the name under which Envoys count what goes to all Upstreams together.
const StatUpstreams = "upstreams"

// Limits that each Envoy enforces by itself (rate_limit_quota). A bucket's id has two entries: in which scope the limit stands,
// and its name. The filter repeats them as dynamic metadata of every request that it counts.
const (
	BucketScope = "scope"
	BucketLimit = "limit"
	// MetadataQuota is the namespace of what the filter repeats.
	MetadataQuota = "envoy.extensions.http_filters.rate_limit_quota.bucket"
	// StateQuota is the key of the filter state by which a route tells the filter which limit it has: what QuotaKey returns.
	StateQuota = "gatehouse.quota"
	// DetailsQuota are the response code details of a request that was refused so.
	DetailsQuota = "rate_limited_by_quota"
)

// QuotaKey names a limit of a scope in one text.
func QuotaKey(scope, limit string) string { return scope + " " + limit }
