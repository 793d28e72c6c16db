package gateway

import (
	"encoding/json"
	"slices"
)

// mostClauses bounds what Clauses takes apart: each clause is a rule that Envoy looks at.
const mostClauses = 32

// Clause is a part of a predicate that holds where both of its halves do. Envoy judges them by different means, which it can
// only tie together by "and".
type Clause struct {
	Matched   Predicate // What its rules compare.
	Expressed Predicate // What its expressions compare (Attribute.Expressed).
}

// Expressed reports whether Envoy's expressions compare an attribute. They see all values of a header in one text, as a policy
// does, and of a certificate's names the first; Envoy's rules see each by itself.
func (a Attribute) Expressed() bool { return a == OfHeader || a == OfPrincipal }

// Clauses takes a predicate apart: it holds exactly where one of the clauses does. ok is false where that takes more than 32.
func (p *Predicate) Clauses() (list []Clause, ok bool) { return p.clauses(true) }

// clauses takes apart a predicate, or, where it is not to hold, its opposite.
func (p *Predicate) clauses(holds bool) ([]Clause, bool) {
	matched, expressed := p.means()
	whole := *p
	if !holds {
		whole = Predicate{Not: p}
	}
	switch {
	case !expressed:
		return []Clause{{Matched: whole}}, true
	case !matched:
		return []Clause{{Expressed: whole}}, true
	case p.Not != nil:
		return p.Not.clauses(!holds)
	case len(p.All) > 0 == holds:
		return together(slices.Concat(p.All, p.Any), holds)
	}
	var list []Clause
	for _, part := range slices.Concat(p.All, p.Any) {
		more, ok := part.clauses(holds)
		if list = shared(append(list, more...)); !ok || len(list) > mostClauses {
			return nil, false
		}
	}
	return list, true
}

// means says by what means Envoy judges the tests of a predicate. One without tests is a matter of its rules.
func (p *Predicate) means() (matched, expressed bool) {
	p.Walk(func(t *Test) {
		matched = matched || !t.Of.Expressed()
		expressed = expressed || t.Of.Expressed()
	})
	return matched, expressed
}

// together returns the clauses of which one holds where every part does, or none of the parts.
func together(parts []Predicate, holds bool) ([]Clause, bool) {
	list := []Clause{{}}
	for _, part := range parts {
		more, ok := part.clauses(holds)
		if !ok || len(list)*len(more) > mostClauses {
			return nil, false
		}
		var product []Clause
		for _, a := range list {
			for _, b := range more {
				product = append(product, Clause{Matched: both(a.Matched, b.Matched), Expressed: both(a.Expressed, b.Expressed)})
			}
		}
		list = shared(product)
	}
	return list, true
}

// shared makes one clause of those that share a half.
func shared(list []Clause) []Clause {
	var kept []Clause
next:
	for _, c := range list {
		for i := range kept {
			switch k := &kept[i]; {
			case alike(k.Expressed, c.Expressed):
				k.Matched = one(k.Matched, c.Matched)
				continue next
			case alike(k.Matched, c.Matched):
				k.Expressed = one(k.Expressed, c.Expressed)
				continue next
			}
		}
		kept = append(kept, c)
	}
	return kept
}

func both(a, b Predicate) Predicate {
	switch {
	case a.Always():
		return b
	case b.Always():
		return a
	}
	return Predicate{All: slices.Concat(a.parts(a.All), b.parts(b.All))}
}

func one(a, b Predicate) Predicate {
	if a.Always() || b.Always() {
		return Predicate{}
	}
	return Predicate{Any: slices.Concat(a.parts(a.Any), b.parts(b.Any))}
}

// parts returns a list of a predicate's parts, or where it has none the predicate itself.
func (p Predicate) parts(list []Predicate) []Predicate {
	if len(list) > 0 {
		return list
	}
	return []Predicate{p}
}

// Always reports whether the predicate is the one that holds of every request.
func (p Predicate) Always() bool {
	return len(p.All)+len(p.Any) == 0 && p.Not == nil && p.Test == nil && !p.Never
}

func alike(a, b Predicate) bool {
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && string(x) == string(y)
}
