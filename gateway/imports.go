package gateway

import (
	"fmt"
	"slices"
)

// importing is what a Policy with imports became: a copy that holds what it imports. Later revisions take it over while all
// it was made of is the same, so that what is by it stays the same value too.
type importing struct {
	from   []*Policy
	bundle *Bundle
	became *Policy
}

// importedPolicies returns the Policies with what they import in them. Those without imports are the values they were.
func (a *assembler) importedPolicies(policies []*Policy) ([]*Policy, map[*Policy]*importing) {
	if !slices.ContainsFunc(policies, (*Policy).refers) {
		return policies, nil
	}
	var (
		named = byName(policies, func(p *Policy) string { return p.Name })
		out   = slices.Clone(policies)
		kept  = map[*Policy]*importing{}
	)
	for i, p := range out {
		if !p.refers() {
			continue
		}
		from, bundle := a.importsOf(p, named), a.bundleOf(p)
		one := a.importedBefore[p]
		if one == nil || !slices.Equal(one.from, from) || one.bundle != bundle {
			one = &importing{from: from, bundle: bundle, became: withImports(p, from)}
			one.became.Bundled = bundle
		}
		kept[p], out[i] = one, one.became
	}
	return out, kept
}

// refers reports whether a Policy refers to other objects.
func (p *Policy) refers() bool { return len(p.Imports) > 0 || p.Bundle != "" }

// importsOf returns all that a Policy imports and what that imports in turn, by name. What it may not import is a fault.
func (a *assembler) importsOf(p *Policy, named map[string]*Policy) []*Policy {
	var (
		found []*Policy
		next  = []*Policy{p}
	)
	for len(next) > 0 {
		one := next[0]
		next = next[1:]
		for i, name := range one.Imports {
			other, ok := named[name]
			if one == p { // Those of others are theirs to mend.
				a.checkImport(p, i, other)
			}
			if ok && other != p && !slices.Contains(found, other) {
				found, next = append(found, other), append(next, other)
			}
		}
	}
	slices.SortFunc(found, func(x, y *Policy) int { return compareNames(x.Name, y.Name) })
	return found
}

// checkImport reports an import that cannot be: other is nil where there is no such Policy.
func (a *assembler) checkImport(p *Policy, i int, other *Policy) {
	object, place, name := Ref{Kind: KindPolicy, Name: p.Name}, fmt.Sprintf("imports[%d]", i), p.Imports[i]
	switch {
	case other == nil && a.docs.Broken[Ref{Kind: KindPolicy, Name: name}]:
	case other == nil:
		a.fault(CodeDangling, object, p.Origin, place, "there is no Policy named %q: write one, or correct the name", name)
	case other == p:
		a.fault(CodeConflict, object, p.Origin, place, "the Policy %s imports itself: remove the import", name)
	case other.Bundle != "":
		a.fault(CodeConflict, object, p.Origin, place, "the Policy %s sees a bundle, and cannot be imported: name the Bundle %s itself", name, other.Bundle)
	case other.Team != "" && !other.Shared && other.Team != p.Team:
		a.fault(CodeNotShared, object, p.Origin, place,
			"the Policy %s belongs to team %s, which does not share it: have it say shared: true, or name another", name, other.Team)
	}
}

// withImports returns a Policy with what it imports in it.
func withImports(p *Policy, from []*Policy) *Policy {
	whole := *p
	whole.Imported = make([]*Policy, len(from))
	for i, f := range from {
		one := *f
		one.Imports, one.Imported, one.With = nil, nil, nil
		whole.Imported[i] = &one
	}
	return &whole
}

func compareNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
