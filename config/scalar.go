package config

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

// isNull reports a value that is not written, or written as null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isText reports a scalar that every reader takes for text. YAML 1.2 has no dates, so these are text.
func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || n.Tag == "!!timestamp") && !isOldBoolean(n)
}

// isOldBoolean reports a word that YAML 1.1 takes for true or false and YAML 1.2 for text: which one is meant cannot be told.
func isOldBoolean(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&quoted != 0 {
		return false
	}
	switch strings.ToLower(n.Value) {
	case "yes", "no", "on", "off":
		return true
	}
	return false
}

// describe names what a value is, never what it says: it may be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "text"
}

// text returns the text of a scalar, and reports what is no text.
func (d *decoder) text(n *yaml.Node, at *field) (string, bool) {
	switch {
	case isText(n):
		return n.Value, true
	case n.Kind == yaml.ScalarNode && isOldBoolean(n):
		d.fault(gateway.CodeWrongType, n, at, "text is meant here, but some readers of YAML take %s for true or false: write it in quotes", n.Value)
	case n.Kind == yaml.ScalarNode:
		d.fault(gateway.CodeWrongType, n, at, "text is meant here, this is %s: write it in quotes", describe(n))
	default:
		d.fault(gateway.CodeWrongType, n, at, "text is meant here, this is %s", describe(n))
	}
	return "", false
}

// parsed reads a value that has a form. What is a number to YAML ("5" for a duration) is first measured by that form, as
// its error says more.
func (d *decoder) parsed(n *yaml.Node, x texter, at *field) {
	if n.Kind != yaml.ScalarNode {
		d.text(n, at)
		return
	}
	err := x.parse(n.Value)
	if err == nil {
		d.text(n, at)
		return
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		d.report(r.code, n, at, r.text)
		return
	}
	d.report(gateway.CodeBadValue, n, at, err.Error())
}

// word reads text without a form of its own.
func (d *decoder) word(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	text, ok := d.text(n, at)
	if !ok || !d.allowed(n, text, at, r) {
		return
	}
	if text == "" && r != nil && r.required {
		d.fault(gateway.CodeMissingField, n, at, "%s is empty: write it", r.name)
		return
	}
	v.SetString(text)
}

// integer reads a plain decimal number: 0x1F, 1_000 and 010 mean different numbers to different readers.
func (d *decoder) integer(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || strconv.Itoa(i) != n.Value {
		d.fault(gateway.CodeWrongType, n, at, "a whole number is meant here: write it in plain decimal digits, without quotes")
		return
	}
	if r != nil && ((r.minimum != nil && i < *r.minimum) || (r.maximum != nil && i > *r.maximum)) {
		d.fault(gateway.CodeBadValue, n, at, "%s is %d: write %s", r.name, i, r.span())
		return
	}
	v.SetInt(int64(i))
}

// span says between which numbers a value must lie.
func (r *rule) span() string {
	switch {
	case r.maximum == nil:
		return "a number of at least " + strconv.Itoa(*r.minimum)
	case r.minimum == nil:
		return "a number of at most " + strconv.Itoa(*r.maximum)
	}
	return "a number from " + strconv.Itoa(*r.minimum) + " to " + strconv.Itoa(*r.maximum)
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, at *field, r *rule) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		d.fault(gateway.CodeWrongType, n, at, "true or false is meant here, without quotes")
		return
	}
	if text := strings.ToLower(n.Value); d.allowed(n, text, at, r) {
		v.SetBool(text == "true")
	}
}

// free reads any value as JSON knows it: map[string]any, []any, string, bool, json.Number or nil. ok is false where
// something is wrong with it.
func (d *decoder) free(n *yaml.Node, at *field) (value any, ok bool) {
	switch n.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for key, value := range d.pairs(n, at) {
			var entry any
			d.value(value, reflect.ValueOf(&entry).Elem(), at.child(key.Value), nil)
			object[key.Value] = entry
		}
		return object, true
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			d.value(item, reflect.ValueOf(&list[i]).Elem(), at.item(i), nil)
		}
		return list, true
	}
	switch n.Tag {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int", "!!float":
		return d.freeNumber(n, at)
	}
	return d.text(n, at)
}

// freeNumber keeps a number as it is written where JSON could read that.
func (d *decoder) freeNumber(n *yaml.Node, at *field) (any, bool) {
	if json.Valid([]byte(n.Value)) {
		return json.Number(n.Value), true
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || n.Tag == "!!int" {
		d.fault(gateway.CodeWrongType, n, at, "this number cannot be read everywhere: write it in plain decimal digits")
		return nil, false
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), true
}
