package descriptors

import (
	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// step is what one entry of a descriptor met.
type step struct {
	rule  *rule // nil: none.
	exact bool  // By its value, or by the beginning of it.
}

// find returns the limit of a list of entries, nil where there is none. The list must be as long as the rules are deep. It appends
// to steps what each entry met, up to the first that met nothing.
//
// Of one level's rules the first of these counts: the one with key and value; of the wildcards the first in the order of the file; the one
// with the key alone.
func (r *rule) find(entries []*ratelimitcommonv3.RateLimitDescriptor_Entry, steps []step) (*limit, []step) {
	at := r
	for i, e := range entries {
		s := at.step(e.GetKey(), e.GetValue())
		steps = append(steps, s)
		if s.rule == nil {
			return nil, steps
		}
		if i == len(entries)-1 {
			return s.rule.limit, steps
		}
		if at = s.rule; len(at.next) == 0 {
			return nil, steps
		}
	}
	return nil, steps
}

// step looks for the rule of one entry.
func (r *rule) step(key, value string) step {
	if value != "" {
		if next := r.next[pair{key, value}]; next != nil {
			return step{next, true}
		}
	}
	for i := range r.wildcards {
		if w := &r.wildcards[i]; w.matches(key, value) {
			return step{w.rule, true}
		}
	}
	return step{r.next[pair{key, ""}], false}
}
