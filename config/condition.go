package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// conditionFields is a condition on a query parameter; its value alone is the short form.
type conditionFields struct {
	Value   string `yaml:"value" doc:"The value it must have. Empty: it must be present."`
	Present bool   `yaml:"present" jsonschema:"enum=true" doc:"It must be present, with any value."`
}

func (conditionFields) short() string { return "value" }

// conditions orders conditions by name and reports those that say two things, or nothing.
func conditions(o *object, field string, written map[string]conditionFields) []gateway.Condition {
	var out []gateway.Condition
	for _, key := range slices.Sorted(maps.Keys(written)) {
		c, at := written[key], join(field, key)
		if c.Present && c.Value != "" {
			o.fault(gateway.CodeConflict, at, "value and present exclude one another: keep value")
		}
		out = append(out, gateway.Condition{Name: key, Value: c.Value})
	}
	slices.SortFunc(out, gateway.CompareConditions)
	return out
}

func checkHeader(o *object, at, key string) {
	switch {
	case key == "" || !every(key, headerCharacter):
		o.fault(gateway.CodeBadValue, at, "%q is no name of a header: write letters, digits and '-'", key)
	case strings.EqualFold(key, "host"):
		o.fault(gateway.CodeBadValue, at, "the host is no condition: write it under hosts, in expose")
	}
}
