package authz

import (
	"sync/atomic"
)

// Result is how a Check ended.
type Result int

// The results of a Check.
const (
	Allowed         Result = iota
	Denied                 // A policy said no, or nothing.
	Unauthenticated        // No token, or of an issuer that the route does not accept: 401.
	Forbidden              // A token without a scope that the route needs: 403.
	Malformed              // A request that the policy must read and that cannot be read: 400.
	Failed                 // The policy came to no decision, or limits that must be asked cannot be.
	Limited                // A limit is reached: 429. Nobody was denied anything.
	results
)

// String returns the result as a word, as metrics spell it.
func (r Result) String() string {
	switch r {
	case Allowed:
		return "allowed"
	case Denied:
		return "denied"
	case Unauthenticated:
		return "unauthenticated"
	case Forbidden:
		return "forbidden"
	case Malformed:
		return "malformed"
	case Failed:
		return "failed"
	case Limited:
		return "limited"
	}
	return "unknown"
}

// maxAPIs is how many versions of APIs have counters of their own; later ones share those of Other.
const maxAPIs = 2000

// Other is the API under which decisions are counted once there are too many APIs.
const Other = "other"

// Counts are what a Service has decided since it was made. Every number only grows.
type Counts struct {
	Decisions      []DecisionCount // By API and version, in no order; only numbers above zero.
	UnknownRules   uint64          // Checks whose rules hash was missing or unknown.
	Strangers      uint64          // Checks of Envoys that may not ask for that route's fleet, or that contradict their certificates.
	Expired        uint64          // Checks that came after their deadline and were not decided.
	Undefined      uint64          // Evaluations without an answer, counted as denied.
	Timeouts       uint64          // Evaluations that were stopped at the limit.
	Errors         uint64          // Evaluations that ended in an error, or in an answer of the wrong type.
	Panics         uint64          // Checks during which code panicked.
	DroppedHeaders uint64          // Headers in answers of policies that policies may not write.
	MappedStatuses uint64          // Statuses in answers of policies that Envoy does not know, sent as 403.
}

// DecisionCount is how often the Checks of one version of an API ended in one Result.
type DecisionCount struct {
	API, Version string
	Result       Result
	Count        uint64
}

// tally holds the counters behind Counts.
type tally struct {
	unknownRules, strangers, expired, undefined, timeouts, errors, panics, droppedHeaders, mappedStatuses atomic.Uint64
}

// apiTally counts the results of one version of an API.
type apiTally struct {
	api, version string
	results      [results]atomic.Uint64
}

// Counts returns what was counted up to now.
func (s *Service) Counts() Counts {
	c := Counts{
		UnknownRules: s.tally.unknownRules.Load(), Strangers: s.tally.strangers.Load(), Expired: s.tally.expired.Load(), Undefined: s.tally.undefined.Load(), Timeouts: s.tally.timeouts.Load(),
		Errors: s.tally.errors.Load(), Panics: s.tally.panics.Load(), DroppedHeaders: s.tally.droppedHeaders.Load(),
		MappedStatuses: s.tally.mappedStatuses.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.apis {
		for result := range results {
			if n := t.results[result].Load(); n > 0 {
				c.Decisions = append(c.Decisions, DecisionCount{t.api, t.version, result, n})
			}
		}
	}
	return c
}

// apiTallyOf returns the counters of a version of an API; s.mu is held.
func (s *Service) apiTallyOf(api, version string) *apiTally {
	key := [2]string{api, version}
	t := s.apis[key]
	if t == nil && len(s.apis) >= maxAPIs {
		key = [2]string{Other, ""}
		t = s.apis[key]
	}
	if t == nil {
		t = &apiTally{api: key[0], version: key[1]}
		s.apis[key] = t
	}
	return t
}
