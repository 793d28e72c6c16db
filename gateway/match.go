package gateway

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Match says which requests an operation means. All conditions must hold.
type Match struct {
	Methods []string // Empty: every method.
	Path    Path     // Below the base.
	Headers []Condition
	Cookies []Condition `json:",omitempty"`
	Query   []Condition
}

// Condition on a header, a cookie or a query parameter: it equals Value, or is present where Value is empty, unless How says
// otherwise.
type Condition struct {
	Name  string
	Value string
	How   How `json:",omitempty"`
}

// How a condition is held against what a request has.
type How string

// The ways to compare.
const (
	ByValue   How = ""          // Equal to Value; present, where that is empty.
	ByPrefix  How = "prefix"    // Begins with Value.
	ByRegex   How = "regex"     // The expression (RE2) in Value matches the whole of it.
	ByAbsence How = "absent"    // Not there; Value is empty.
	ByDefault How = "or-absent" // Equal to Value, or not there, or empty: of headers by which versions are told apart.
)

// Holds reports whether one value meets a condition on values. What is about presence alone, it leaves to the caller: for a
// condition ByAbsence no value will do.
func (c Condition) Holds(value string) bool {
	switch c.How {
	case ByPrefix:
		return strings.HasPrefix(value, c.Value)
	case ByRegex:
		re, err := regexp.Compile("^(?:" + c.Value + ")$")
		return err == nil && re.MatchString(value)
	case ByAbsence:
		return false
	case ByDefault:
		return value == "" || value == c.Value
	}
	return c.Value == "" || value == c.Value
}

// HoldsFor reports whether a condition holds for all values that a request has under its name, none of them where it is not there.
// One value that fits will do, as Envoy looks at each line of a header by itself; of cookies and query parameters only the first
// is to be handed in.
func (c Condition) HoldsFor(values []string) bool {
	if len(values) == 0 {
		return c.How == ByAbsence || c.How == ByDefault
	}
	for _, v := range values {
		if c.Holds(v) {
			return true
		}
	}
	return false
}

// String returns what is asked, for people: `is "a"`, `begins with "a"`, `is absent`.
func (c Condition) String() string {
	switch {
	case c.How == ByPrefix:
		return fmt.Sprintf("begins with %q", c.Value)
	case c.How == ByRegex:
		return "matches " + c.Value
	case c.How == ByAbsence:
		return "is absent"
	case c.How == ByDefault:
		return fmt.Sprintf("is %q or absent", c.Value)
	case c.Value == "":
		return "is present"
	}
	return fmt.Sprintf("is %q", c.Value)
}

// CheckPattern reports why a regular expression (RE2) is no use for a value: it cannot be read, or costs too much.
func CheckPattern(text string) error {
	if text == "" || len(text) > maxRegexLength {
		return fmt.Errorf("the regular expression has %d characters, 1 to %d are allowed", len(text), maxRegexLength)
	}
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("the regular expression cannot be read: %w", err)
	}
	size, err := programSize(text)
	if err != nil {
		return fmt.Errorf("the regular expression cannot be read: %w", err)
	}
	if size > maxRegexSize {
		return fmt.Errorf("the regular expression compiles to %d instructions, at most %d are allowed: repeat less", size, maxRegexSize)
	}
	return nil
}

// strictness orders conditions by how much they say: a value before a prefix, that before an expression, and so on.
func (h How) strictness(value string) int {
	switch {
	case h == ByValue && value != "":
		return 0
	case h == ByDefault:
		return 1
	case h == ByPrefix:
		return 2
	case h == ByRegex:
		return 3
	case h == ByValue:
		return 4
	}
	return 5
}

// compareConditions orders two matches with equally many conditions: first the one that says more by them, kind of comparison by
// kind of comparison, then the one whose prefixes are longer.
func compareConditions(a, b *Match) int {
	var saysA, saysB [6]int
	prefixes := func(m *Match, says *[6]int) (length int) {
		for _, list := range [][]Condition{m.Headers, m.Cookies, m.Query} {
			for _, c := range list {
				says[c.How.strictness(c.Value)]++
				if c.How == ByPrefix {
					length += len(c.Value)
				}
			}
		}
		return length
	}
	longA, longB := prefixes(a, &saysA), prefixes(b, &saysB)
	for i := range saysA {
		if c := cmp.Compare(saysB[i], saysA[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(longB, longA)
}

// CompareConditions orders conditions by name.
func CompareConditions(a, b Condition) int { return cmp.Compare(a.Name, b.Name) }

// Conditional reports whether a match asks for more than method and path.
func (m *Match) Conditional() bool { return len(m.Headers)+len(m.Cookies)+len(m.Query) > 0 }

// Tied reports whether neither of two matches on one path comes before the other by how much it asks for.
func Tied(a, b *Match) bool {
	return anyMethod(a) == anyMethod(b) && len(a.Headers)+len(a.Cookies) == len(b.Headers)+len(b.Cookies) && len(a.Query) == len(b.Query) &&
		compareConditions(a, b) == 0
}
