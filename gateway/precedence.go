package gateway

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// ComparePrecedence orders the routes of one host pattern as they are tried: exact paths, then templates with more
// leading literal segments first, then the longest prefix, where a regular expression is as long as the base it stands
// below, and comes ahead of the prefix of that length: else what an API does with paths that it does not list would come
// before those that it lists by an expression. Among equal paths come those that name a method, then those with more
// conditions on headers and cookies, then those with more on the query; of equally many those that say more: a value, a prefix (the
// longer one), an expression, presence, absence. The order is total over routes with different matches, so it never
// depends on the position of anything in a document.
func ComparePrecedence(a, b *Route) int {
	ma, mb := &a.Match, &b.Match
	if c := cmp.Or(
		cmp.Compare(ma.Path.rank(), mb.Path.rank()),
		cmp.Compare(mb.Path.leading(), ma.Path.leading()),
		cmp.Compare(len(mb.Path.Segments), len(ma.Path.Segments)),
		cmp.Compare(openEnd(ma.Path), openEnd(mb.Path)),
		cmp.Compare(mb.Path.literals(), ma.Path.literals()),
	); c != 0 {
		return c
	}
	if c := compareShapes(ma.Path, mb.Path); c != 0 {
		return c
	}
	if c := cmp.Or(
		cmp.Compare(anyMethod(ma), anyMethod(mb)),
		cmp.Compare(len(mb.Headers)+len(mb.Cookies), len(ma.Headers)+len(ma.Cookies)),
		cmp.Compare(len(mb.Query), len(ma.Query)),
		cmp.Compare(a.Action.rank(), b.Action.rank()),
		compareConditions(ma, mb),
	); c != 0 {
		return c
	}
	return cmp.Or( // Texts are made only for the few that are alike in all else: a sort of thousands comes here often.
		strings.Compare(ma.key(), mb.key()),
		strings.Compare(a.Name, b.Name),
		slices.Compare(a.Hosts, b.Hosts),
	)
}

// compareShapes orders paths with equally many segments by what is literal in them.
func compareShapes(a, b Path) int {
	if c := strings.Compare(a.Regex, b.Regex); c != 0 {
		return c
	}
	return slices.CompareFunc(a.Segments, b.Segments, func(s, t Segment) int {
		return cmp.Or(
			cmp.Compare(min(len(s.Name), 1), min(len(t.Name), 1)), // Whatever they are called.
			cmp.Compare(len(t.Before), len(s.Before)),
			strings.Compare(s.Before, t.Before),
			strings.Compare(s.After, t.After),
		)
	})
}

// rank is the class of a path in the order of precedence.
func (p Path) rank() int {
	switch {
	case p.Prefix, p.Regex != "":
		return 2
	case p.Exact():
		return 0
	}
	return 1
}

// literals counts the characters of a template that are literal.
func (p Path) literals() int {
	n := 0
	for _, s := range p.Segments {
		n += len(s.Before) + len(s.After)
	}
	return n
}

// openEnd tells a prefix from a regular expression below the same segments.
func openEnd(p Path) int {
	if p.Prefix {
		return 1
	}
	return 0
}

func anyMethod(m *Match) int {
	if len(m.Methods) == 0 {
		return 1
	}
	return 0
}

// rank puts what was written before what was derived from it: 405 and 404 answer only where no operation does.
func (a Action) rank() int {
	switch a {
	case ActionMethod:
		return 1
	case ActionRefuse, ActionDown:
		return 2
	}
	return 0
}

// key returns a text that is equal for equal matches, whatever order they were written in.
func (m *Match) key() string {
	var b strings.Builder
	b.WriteString(m.Path.Shape())
	methods := slices.Clone(m.Methods)
	slices.Sort(methods)
	b.WriteString("\x00" + strings.Join(methods, ","))
	b.WriteString("\x00" + conditionsKey(m.Headers, strings.ToLower))
	b.WriteString("\x00" + conditionsKey(m.Query, func(s string) string { return s }))
	if len(m.Cookies) > 0 {
		b.WriteString("\x00" + conditionsKey(m.Cookies, func(s string) string { return s }))
	}
	return b.String()
}

func conditionsKey(conditions []Condition, name func(string) string) string {
	texts := make([]string, len(conditions))
	for i, c := range conditions {
		texts[i] = strconv.Quote(name(c.Name)) + string(c.How) + "=" + strconv.Quote(c.Value)
	}
	slices.Sort(texts)
	return strings.Join(texts, "&")
}
