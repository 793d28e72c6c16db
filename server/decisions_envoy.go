package server

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// native is a decision that an Envoy took by itself, as its access log tells.
type native struct{ decision gateway.Decision }

// Fleet returns the fleet of the Envoy.
func (n native) Fleet() string { return n.decision.Fleet }

// Weight returns about how many bytes it takes.
func (n native) Weight() int { return 1 << 10 }

// Decision returns the record.
func (n native) Decision(bool) gateway.Decision { return n.decision }

// How Envoy's response code details begin where it refuses by itself (envoy-facts 8 and 11).
const (
	detailsJWT      = "jwt_authn_access_denied{"
	detailsRBAC     = "rbac_access_denied"
	detailsAuthz    = "ext_authz_denied"
	detailsAuthzOff = "ext_authz_error"
	detailsLimited  = "request_rate_limited"
	detailsLocal    = "local_rate_limited"
	detailsQuota    = "rate_limited_by_quota"
	detailsLimitOff = "rate_limiter_error"
)

// nativeDecision returns the decision that a record of the access log tells of. ok is false where it tells of none, or of one that
// Gatehouse has recorded itself.
func (s *Server) nativeDecision(r *analytics.Record) (n native, ok bool) {
	d := gateway.Decision{
		ID: fmt.Sprintf("%s-%d-%d", s.counting.process[:12], r.Stream, r.Sequence), RequestID: r.RequestID, Time: r.Time, Fleet: r.Fleet, Node: r.Node,
		By: gateway.ByEnvoy, API: r.API, Version: r.Version, Operation: r.Operation, Rules: r.Rules, Method: r.Method, Path: r.Path,
		Status: r.Status, Detail: r.Details, Lacks: []string{gateway.LacksInput, gateway.LacksBody},
	}
	if !nativeRefusal(&d, r) && !s.nativePassage(&d, r) {
		return native{}, false
	}
	seen := r.Evidence()
	d.Identity = nativeIdentity(seen)
	if d.Result == gateway.ResultLimited {
		d.Reason = seen.Limit
	}
	if policy, reason, ok := envoy.SplitPolicyRefusal(seen.Shadow); ok {
		d.Shadows = []gateway.ShadowDecision{{Policy: policy, Result: "denied", Reason: reason}}
	}
	return native{d}, true
}

// nativeRefusal fills in what is special about a refusal; false: it is none that is recorded.
func nativeRefusal(d *gateway.Decision, r *analytics.Record) bool {
	if r.API == "" || r.Answered != analytics.Envoy && r.Answered != analytics.Gatehouse {
		return false
	}
	switch begins := func(prefix string) bool { return strings.HasPrefix(r.Details, prefix) }; {
	case begins(detailsJWT):
		d.Result, d.Code = "unauthenticated", gateway.ProblemUnauthorized
		if r.Status == 403 {
			d.Result, d.Code = "forbidden", gateway.ProblemForbidden
		}
		d.Detail = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(r.Details, detailsJWT), "}"), "_", " ")
	case begins(detailsRBAC):
		refusedByRules(d, r)
	case begins(detailsAuthzOff):
		d.Result, d.Code = "failed", gateway.ProblemAuthzAway
	case begins(detailsAuthz) && r.Status == 503:
		d.Result, d.By = "failed", gateway.ByGatehouse // The Check may not have known whose route it was.
	case begins(detailsLimitOff):
		d.Result, d.Code = "failed", gateway.ProblemLimitsAway
	case begins(detailsLimited):
		d.Result, d.Code, d.By = gateway.ResultLimited, gateway.ProblemLimited, gateway.ByGatehouse
	case begins(detailsLocal), begins(detailsQuota):
		d.Result, d.Code = gateway.ResultLimited, gateway.ProblemLimited
	default:
		return false
	}
	return true
}

// refusedByRules reads which of Envoy's access rules refused: the guard's by the name of the refusal, or a policy's.
func refusedByRules(d *gateway.Decision, r *analytics.Record) {
	d.Reason = r.Evidence().Refusal
	if _, after, found := strings.Cut(r.Details, "["); found && d.Reason == "" {
		d.Reason = strings.TrimSuffix(after, "]")
	}
	if d.Reason == envoy.RefusedAddress {
		d.Reason = translate.ReasonAddress
	}
	d.Result, d.Code = "forbidden", gateway.ProblemForbidden
	if policy, reason, ok := envoy.SplitPolicyRefusal(d.Reason); ok {
		d.Result, d.Code, d.Policy, d.Reason = "denied", gateway.ProblemDenied, policy, reason
	}
	if r.Status == 401 {
		d.Result, d.Code = "unauthenticated", gateway.ProblemUnauthorized
	}
}

// nativePassage fills in what is special about a request that went to its upstream and was not recorded by Gatehouse: one that was let
// through by a failure, one that a policy in shadow mode would have refused, or one of those that are sampled.
func (s *Server) nativePassage(d *gateway.Decision, r *analytics.Record) bool {
	d.Result, d.Status, d.Detail = gateway.ResultAllowed, 0, ""
	switch {
	case r.LetThrough.Authorization:
		d.Code = gateway.ProblemAuthzAway
		return true
	case r.LetThrough.Limits:
		d.Code = gateway.ProblemLimitsAway
		return true
	case r.Answered != analytics.Upstream || r.API == "":
		return false
	case r.WouldRefuse(): // What a policy is tried for is seen whole.
		return true
	}
	percent := s.decided.settings.sampled(r.Fleet, r.Rules)
	return percent > 0 && chance(r.RequestID) < percent
}

// chance returns a number from 0 to below 100, the same for the same request.
func chance(request string) float64 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(request)) // It never fails.
	return float64(sum.Sum32()%10_000) / 100
}

// nativeIdentity returns who called, as far as the access log tells.
func nativeIdentity(seen analytics.Evidence) *gateway.Identity {
	switch {
	case seen.Issuer != "":
		return &gateway.Identity{Kind: gateway.ByJWT, Issuer: seen.Issuer, Consumer: seen.Subject, Scopes: seen.Scopes}
	case seen.SPIFFE != "":
		return &gateway.Identity{Kind: gateway.ByCertificate, Consumer: seen.SPIFFE}
	}
	return nil
}
