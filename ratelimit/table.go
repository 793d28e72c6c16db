package ratelimit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	maxLimits = 64                   // Of one route, and so descriptors of one request.
	maxKey    = 16                   // Parts of one limit's key.
	maxPer    = 366 * 24 * time.Hour // Longest window.
)

// Table holds the limits of one revision by the rules hash of their route. Nothing changes it after Compile, except that its
// counters count.
type Table struct {
	revision string
	rules    map[string]rules
	fleets   map[string][]string // Whose routes have these rules.
	counters map[label]*counter
}

// rules are the limits of one route.
type rules []*limit

// limit is one limit of one route, ready to be charged.
type limit struct {
	name    string
	parts   []string // Of its key, as in documents, in order.
	entries []string // Keys of the descriptor's entries for the parts of the limit's key, in order.
	prefix  []byte   // What its buckets' keys begin with.
	window  limiter.Window
	answer  *rlsv3.RateLimitResponse_RateLimit // Shared by all responses; never changed.
	told    string                             // The header x-ratelimit-limit where this is the limit of which least remains.
	counter *counter
	// evidence repeats the rules hash in every answer: the access log tells by it that the call was answered. Shared by all
	// limits of a route; never changed.
	evidence *structpb.Struct
	reached  *structpb.Struct // The same with the limit's name, where it is the first that is reached.
}

// Compile makes the Table of a revision. What prev (nil at first) has under the same rules hash is used again, and counters
// go on counting. It touches nothing live. The Table is to be used only if there are no faults.
func Compile(rev *gateway.Revision, prev *Table) (*Table, []gateway.Fault) {
	t := &Table{revision: rev.ID, rules: map[string]rules{}, fleets: map[string][]string{}, counters: map[label]*counter{}}
	if prev != nil {
		t.counters = maps.Clone(prev.counters)
	}
	var faults gateway.Faults
	for _, r := range rev.Routes {
		if len(r.Limits) == 0 {
			continue
		}
		if f := t.fleets[r.Rules]; !slices.Contains(f, r.Fleet()) {
			t.fleets[r.Rules] = append(f, r.Fleet())
		}
		if prev != nil {
			if known, ok := prev.rules[r.Rules]; ok {
				t.rules[r.Rules] = known
				continue
			}
		}
		wrong := check(rev, r)
		if faults = append(faults, wrong...); len(wrong) == 0 {
			t.rules[r.Rules] = t.compile(r)
		}
	}
	return t, faults.Sort()
}

func (t *Table) compile(r *gateway.Route) rules {
	compiled := make(rules, len(r.Limits))
	evidence := &structpb.Struct{Fields: map[string]*structpb.Value{
		envoy.MetadataRateLimitRules: structpb.NewStringValue(r.Rules),
	}}
	for i, l := range r.Limits {
		w := limiter.Window{Limit: l.Windows[0].Limit, Per: l.Windows[0].Per}
		compiled[i] = &limit{
			name: l.Name, parts: l.Key, entries: entryKeys(l.Key), prefix: keyPrefix(l), window: w,
			answer: answerLimit(l.Name, w), counter: t.counter(labelOf(r, l)),
			evidence: evidence,
			reached: &structpb.Struct{Fields: map[string]*structpb.Value{
				envoy.MetadataRateLimitRules: structpb.NewStringValue(r.Rules), envoy.MetadataRateLimitLimit: structpb.NewStringValue(l.Name),
			}},
		}
	}
	windows := windowsText(compiled)
	for _, l := range compiled {
		l.told = strconv.FormatInt(l.window.Limit, 10) + windows
	}
	return compiled
}

// entryKeys returns the keys under which Envoy sends the parts of a limit's key.
func entryKeys(key []string) []string {
	entries := slices.Clone(key)
	for i, part := range entries {
		if part == "client.address" {
			entries[i] = envoy.DescriptorAddress
		}
	}
	return entries
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
func (rs rules) named(name string) *limit {
	for _, l := range rs {
		if l.name == name {
			return l
		}
	}
	return nil
}

// check finds what the arithmetic and Envoy's protocol cannot express.
func check(rev *gateway.Revision, r *gateway.Route) gateway.Faults {
	var faults gateway.Faults
	fault := func(l gateway.Limit, format string, args ...any) {
		f := gateway.Fault{
			Code: gateway.CodeBadValue, Place: r.Origin, Field: "limits", Object: r.Object,
			Message: fmt.Sprintf(format, args...),
		}
		for _, api := range rev.APIs {
			if api.Ref() != r.Object {
				continue
			}
			f.Team = api.Team
			if l.Scope != r.Name { // The API's own limit, not to be reported once for each operation.
				f.Place = api.Origin.At("limits")
			}
		}
		faults = append(faults, f)
	}
	if len(r.Limits) > maxLimits {
		fault(r.Limits[0], "%d limits on one operation are more than the %d that are looked at: leave some out", len(r.Limits), maxLimits)
	}
	for _, l := range r.Limits {
		first := l.Windows[0]
		switch {
		case first.Limit < 1 || first.Limit > math.MaxUint32:
			fault(l, "the limit %q allows %d: write a number from 1 to %d", l.Name, first.Limit, uint32(math.MaxUint32))
		case first.Per < time.Second || first.Per > maxPer:
			fault(l, "the limit %q counts per %s: write a duration from 1s to %dh", l.Name, first.Per, maxPer/time.Hour)
		case len(l.Key) > maxKey:
			fault(l, "the key of the limit %q has %d parts: at most %d are allowed", l.Name, len(l.Key), maxKey)
		}
	}
	return faults
}
