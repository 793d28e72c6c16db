package authz

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// What follows builds predicates, and leaves out what says nothing: a smaller one costs each request less.

// all holds where every predicate does.
func all(list []gateway.Predicate) gateway.Predicate {
	var kept []gateway.Predicate
	for _, p := range list {
		switch {
		case p.Never:
			return p
		case always(p):
		case p.All != nil:
			kept = append(kept, p.All...)
		default:
			kept = append(kept, p)
		}
	}
	kept = distinct(kept)
	if len(kept) == 1 {
		return kept[0]
	}
	return gateway.Predicate{All: kept}
}

// either holds where one predicate does; of none, never.
func either(list []gateway.Predicate) gateway.Predicate {
	var kept []gateway.Predicate
	for _, p := range list {
		switch {
		case always(p):
			return gateway.Predicate{}
		case p.Never:
		case p.Any != nil:
			kept = append(kept, p.Any...)
		default:
			kept = append(kept, p)
		}
	}
	kept = joined(distinct(kept))
	switch len(kept) {
	case 0:
		return gateway.Predicate{Never: true}
	case 1:
		return kept[0]
	}
	return gateway.Predicate{Any: kept}
}

// not holds where a predicate does not.
func not(p gateway.Predicate) gateway.Predicate {
	switch {
	case p.Never:
		return gateway.Predicate{}
	case always(p):
		return gateway.Predicate{Never: true}
	case p.Not != nil:
		return *p.Not
	}
	return gateway.Predicate{Not: &p}
}

func always(p gateway.Predicate) bool {
	return len(p.All) == 0 && len(p.Any) == 0 && p.Not == nil && p.Test == nil && !p.Never
}

// distinct returns a list without repetitions.
func distinct(list []gateway.Predicate) []gateway.Predicate {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(p gateway.Predicate) bool {
		text, err := json.Marshal(p)
		known := err == nil && seen[string(text)]
		seen[string(text)] = true
		return known
	})
}

// joined makes one test of those that compare the same part of a request in the same way.
func joined(list []gateway.Predicate) []gateway.Predicate {
	var kept []gateway.Predicate
next:
	for _, p := range list {
		for i := range kept {
			a, b := kept[i].Test, p.Test
			if a == nil || b == nil || a.Of != b.Of || a.Name != b.Name || a.Op != b.Op || !slices.Equal(a.Path, b.Path) ||
				a.Op == gateway.OpPresent {
				continue
			}
			both := *a
			both.Values = slices.Concat(a.Values, b.Values)
			kept[i] = gateway.Predicate{Test: &both}
			continue next
		}
		kept = append(kept, p)
	}
	return kept
}
