package ratelimit

import (
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Table holds the limits of one revision by the rules hash of their route. Nothing changes it after Compile, except that its
// counters count.
type Table struct {
	revision string
	rules    map[string]*rules
	limits   map[LimitID]*limit  // Of the revision, for operators.
	fleets   map[string][]string // Whose routes have these rules.
	counters map[label]*counter
}

// rules are the limits of one route.
type rules struct {
	limits       []*limit
	policy       string              // RateLimit-Policy, where all of them were asked.
	policyHeader *corev3.HeaderValue // The same, shared by all responses; nil: clients are told of none.
	draft        bool                // Clients are told how limits stand as draft-ietf-httpapi-ratelimit-headers has it.
	older        bool                // They are told by x-ratelimit headers.
	path         gateway.Path        // By which its requests' paths are split.
	closed       bool                // What becomes of requests while limits that do not say cannot be asked.
	// evidence repeats the rules hash in every answer: the access log tells by it that the call was answered. Shared by all
	// limits of a route; never changed.
	evidence *structpb.Struct
}

// Compile makes the Table of a revision. What prev (nil at first) has under the same rules hash is used again, and counters
// go on counting. It touches nothing live. The Table is to be used only if there are no faults.
func Compile(rev *gateway.Revision, prev *Table) (*Table, []gateway.Fault) {
	t := &Table{
		revision: rev.ID, rules: map[string]*rules{}, limits: map[LimitID]*limit{}, fleets: map[string][]string{}, counters: map[label]*counter{},
	}
	if prev != nil {
		t.counters = maps.Clone(prev.counters)
	}
	var faults gateway.Faults
	for _, r := range rev.Routes {
		if len(r.CountedLimits()) == 0 {
			continue
		}
		if f := t.fleets[r.Rules]; !slices.Contains(f, r.Fleet()) {
			t.fleets[r.Rules] = append(f, r.Fleet())
		}
		wrong := t.add(rev, r, prev)
		faults = append(faults, wrong...)
	}
	return t, faults.Sort()
}

// add makes the rules of a route known.
func (t *Table) add(rev *gateway.Revision, r *gateway.Route, prev *Table) gateway.Faults {
	known := t.rules[r.Rules]
	if known == nil && prev != nil {
		known = prev.rules[r.Rules]
	}
	if known == nil {
		if wrong := check(rev, r); len(wrong) > 0 {
			return wrong
		}
		known = t.compile(r)
	}
	t.rules[r.Rules] = known
	for _, l := range known.limits {
		t.limits[LimitID{l.scope, l.name}] = l
	}
	return nil
}

// compile makes the limits of a route ready. Those that Envoys count by themselves are never asked for here.
func (t *Table) compile(r *gateway.Route) *rules {
	told := gateway.LimitHeadersDraft
	if r.Gateway != nil {
		told = r.Gateway.LimitHeaders
	}
	compiled := &rules{
		evidence: evidenceOf(envoy.MetadataRateLimitRules, r.Rules), path: r.Match.Path, closed: r.WhenAway.Limits == gateway.Closed,
		draft: told == gateway.LimitHeadersDraft || told == gateway.LimitHeadersBoth,
		older: told == gateway.LimitHeadersOlder || told == gateway.LimitHeadersBoth,
	}
	for _, l := range r.CountedLimits() {
		own := t.compileLimit(compiled, r, l)
		compiled.limits = append(compiled.limits, own)
		if own.mode == gateway.Shadow {
			continue
		}
		if compiled.policy != "" {
			compiled.policy += ", "
		}
		compiled.policy += own.policy
	}
	compiled.policyHeader = newPolicyHeader(compiled.policy)
	return compiled
}

// replaces says whether old is the same revision and holds nothing that t lacks. (A revision compiled again may differ where a
// quarantined API was replaced by another good version.)
func (t *Table) replaces(old *Table) bool {
	if old.revision != t.revision {
		return false
	}
	for hash := range old.rules {
		if _, ok := t.rules[hash]; !ok {
			return false
		}
		if slices.ContainsFunc(old.fleets[hash], func(f string) bool { return !slices.Contains(t.fleets[hash], f) }) {
			return false
		}
	}
	return true
}

// named returns the limit of that name, or nil.
func (rs *rules) named(name string) *limit {
	for _, l := range rs.limits {
		if l.name == name {
			return l
		}
	}
	return nil
}
