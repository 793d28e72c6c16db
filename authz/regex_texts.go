package authz

import (
	"regexp/syntax"
	"slices"
	"unicode"

	"github.com/gatehouse/gatehouse/gateway"
)

// mostTexts bounds the texts that a regular expression may stand for.
const mostTexts = 32

// textTest is a comparison with any of some texts.
type textTest struct {
	op     gateway.Op
	values []any
}

// plainly compares what Envoy sees by expressions alone with a regular expression: by comparisons with plain texts. Expressions know
// no other ones that cannot fail.
func (t *translator) plainly(s subject, pattern string) gateway.Predicate {
	tests := textTests(pattern)
	if tests == nil {
		return t.fail("it compares %s with a regular expression", s.words())
	}
	var list []gateway.Predicate
	for _, one := range tests {
		list = append(list, t.test(s, one.op, one.values...))
	}
	return either(list)
}

// textTests returns comparisons with plain texts, one of which holds of a text exactly where a regular expression is found in it; nil where
// it says more than such comparisons can. The text has no line feed.
func textTests(pattern string) []textTest {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	parsed = bare(parsed)
	alternatives := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpAlternate {
		alternatives = parsed.Sub
	}
	var tests []textTest
	for _, re := range alternatives {
		t, ok := textTestOf(re)
		if !ok {
			return nil
		}
		tests = append(tests, t)
	}
	return tests
}

// textTestOf returns one comparison for an expression without alternatives of its own at the top.
func textTestOf(re *syntax.Regexp) (textTest, bool) {
	parts := []*syntax.Regexp{bare(re)}
	if parts[0].Op == syntax.OpConcat {
		parts = slices.Clone(parts[0].Sub)
	}
	begins, parts := anchored(parts, syntax.OpBeginText)
	slices.Reverse(parts)
	ends, parts := anchored(parts, syntax.OpEndText)
	slices.Reverse(parts)
	t := textTest{op: map[[2]bool]gateway.Op{
		{true, true}: gateway.OpEquals, {true, false}: gateway.OpPrefix, {false, true}: gateway.OpSuffix, {false, false}: gateway.OpContains,
	}[[2]bool{begins, ends}]}
	texts := product(parts)
	for _, text := range texts {
		if text == "" { // Of every text, or of none: not worth the thought.
			return t, false
		}
		t.values = append(t.values, text)
	}
	return t, len(texts) > 0
}

// anchored reports whether what begins with some parts begins a text, and returns the parts without what says so, or that anything
// may stand before them.
func anchored(parts []*syntax.Regexp, anchor syntax.Op) (bool, []*syntax.Regexp) {
	is := len(parts) > 0 && parts[0].Op == anchor
	if is {
		parts = parts[1:]
	}
	if len(parts) > 0 && parts[0].Op == syntax.OpStar && (parts[0].Sub[0].Op == syntax.OpAnyChar || parts[0].Sub[0].Op == syntax.OpAnyCharNotNL) {
		return false, parts[1:]
	}
	return is, parts
}

// bare returns what is in parentheses.
func bare(re *syntax.Regexp) *syntax.Regexp {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	return re
}

// product returns the texts of parts that follow each other; nil where these are no plain texts, or too many.
func product(parts []*syntax.Regexp) []string {
	all := []string{""}
	for _, part := range parts {
		tails := textsFor(part)
		if len(tails) == 0 || len(all)*len(tails) > mostTexts {
			return nil
		}
		var longer []string
		for _, head := range all {
			for _, tail := range tails {
				longer = append(longer, head+tail)
			}
		}
		all = longer
	}
	return all
}

// textsFor returns those that an expression stands for; nil where there are too many.
func textsFor(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpCapture:
		return textsFor(re.Sub[0])
	case syntax.OpConcat:
		return product(re.Sub)
	case syntax.OpQuest:
		if inner := textsFor(re.Sub[0]); inner != nil {
			return append(inner, "")
		}
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			inner := textsFor(sub)
			if inner == nil || len(all)+len(inner) > mostTexts {
				return nil
			}
			all = append(all, inner...)
		}
		return all
	case syntax.OpCharClass:
		var all []string
		for i := 0; i+1 < len(re.Rune); i += 2 {
			low, high := re.Rune[i], re.Rune[i+1]
			if high > unicode.MaxASCII || len(all)+int(high-low) >= mostTexts {
				return nil
			}
			for c := low; c <= high; c++ {
				all = append(all, string(c))
			}
		}
		return all
	}
	return nil
}
