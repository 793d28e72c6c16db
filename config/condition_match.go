package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// matchConditionFields is a condition on a header, a cookie or a query parameter; its value alone is the short form.
type matchConditionFields struct {
	Value   string `yaml:"value" doc:"The value it must have. Empty: it must be present."`
	Prefix  string `yaml:"prefix" doc:"What the value must begin with."`
	Regex   string `yaml:"regex" doc:"A regular expression (RE2) that the whole value must match."`
	Present bool   `yaml:"present" jsonschema:"enum=true" doc:"It must be present, with any value."`
	Absent  bool   `yaml:"absent" jsonschema:"enum=true" doc:"It must not be there."`
}

func (matchConditionFields) short() string { return "value" }

func (c *matchConditionFields) lengthen() {
	c.Present = c.Present || c.Value == "" && c.Prefix == "" && c.Regex == "" && !c.Absent
}

// matchConditions orders conditions by name and reports those that say two things. Names of headers are alike in either case.
func matchConditions(o *object, field string, written map[string]matchConditionFields, kind string) []gateway.Condition {
	var out []gateway.Condition
	for _, key := range slices.Sorted(maps.Keys(written)) {
		c, at := written[key], join(field, key)
		own := key
		switch kind {
		case "header":
			own = strings.ToLower(key)
			checkHeader(o, at, key)
		case "cookie":
			if key == "" || !every(key, cookieCharacter) {
				o.fault(gateway.CodeBadValue, at, "%q is no name of a cookie: write letters, digits, '-' and '_'", key)
			}
		}
		if slices.ContainsFunc(out, func(c gateway.Condition) bool { return c.Name == own }) {
			o.fault(gateway.CodeDuplicateKey, at, "the header %s is written twice, as letters' case makes no difference: remove one", own)
			continue
		}
		out = append(out, c.condition(o, at, own))
	}
	slices.SortFunc(out, gateway.CompareConditions)
	return out
}

// condition returns one condition, which must say one thing.
func (c matchConditionFields) condition(o *object, at, name string) gateway.Condition {
	said := 0
	for _, is := range []bool{c.Value != "", c.Prefix != "", c.Regex != "", c.Present, c.Absent} {
		if is {
			said++
		}
	}
	if said > 1 {
		o.fault(gateway.CodeConflict, at, "value, prefix, regex, present and absent exclude one another: keep one")
	}
	switch {
	case c.Prefix != "":
		return gateway.Condition{Name: name, Value: c.Prefix, How: gateway.ByPrefix}
	case c.Regex != "":
		if err := gateway.CheckPattern(c.Regex); err != nil {
			o.fault(gateway.CodeRegex, join(at, "regex"), "%s", err)
		}
		return gateway.Condition{Name: name, Value: c.Regex, How: gateway.ByRegex}
	case c.Absent:
		return gateway.Condition{Name: name, How: gateway.ByAbsence}
	}
	return gateway.Condition{Name: name, Value: c.Value}
}

// cookieCharacter reports a character of a cookie's name (RFC 6265 4.1.1, a token of RFC 9110 5.6.2).
func cookieCharacter(c byte) bool {
	return wordCharacter(c) || strings.IndexByte("!#$%&'*+-.^`|~", c) >= 0
}
