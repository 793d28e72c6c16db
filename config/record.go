package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A document struct says by its tags what may be written. Decoder and JSON Schema read the same tags:
//
//	yaml        the field's name; ",inline" for fields that stand in the outer mapping
//	jsonschema  required, enum=, minimum=, maximum=, minItems=, default=; "-" keeps the field out of the schema
//	doc         what the field means, for editors
//	single      "true": a list of one may be written without its brackets
//	reserved    the field is named but not built yet; the text says what to do instead
//
// The canonical form is made by them too, and by these:
//
//	by          the field by which the items of a list are told apart
//	order       "none": the order of the list means nothing
//	none        "true": an empty list says something, namely none, and is not the same as no list

// rule is what the tags of one field say.
type rule struct {
	name     string
	index    []int
	field    string // Name in Go.
	required bool
	single   bool
	enum     []string
	reserved string
	minimum  *int
	maximum  *int
	minItems int
	standard string // Default.
	by       string
	loose    bool
	none     bool
}

// record is the rules of one struct, in order of its fields.
type record struct {
	rules  []*rule
	byName map[string]*rule
}

// readRecord reads the tags of a struct type.
func readRecord(t reflect.Type) *record {
	rec := &record{byName: map[string]*rule{}}
	rec.add(t, nil)
	return rec
}

func (rec *record) add(t reflect.Type, prefix []int) {
	for f := range t.Fields() {
		index := append(slices.Clone(prefix), f.Index...)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			rec.add(f.Type, index)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		r := readRule(f)
		r.name, r.index = name, index
		rec.rules = append(rec.rules, r)
		rec.byName[name] = r
	}
}

func readRule(f reflect.StructField) *rule {
	r := &rule{
		field:    f.Name,
		single:   f.Tag.Get("single") == "true",
		reserved: f.Tag.Get("reserved"),
		by:       f.Tag.Get("by"),
		loose:    f.Tag.Get("order") == "none",
		none:     f.Tag.Get("none") == "true",
	}
	for tag := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		key, value, _ := strings.Cut(tag, "=")
		switch key {
		case "required":
			r.required = true
		case "enum":
			r.enum = append(r.enum, value)
		case "default":
			r.standard = value
		case "minimum":
			r.minimum = number(value)
		case "maximum":
			r.maximum = number(value)
		case "minItems":
			if n := number(value); n != nil {
				r.minItems = *n
			}
		}
	}
	return r
}

func number(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return &n
}

// names returns the fields that can be written, for messages.
func (rec *record) names() []string {
	var names []string
	for _, r := range rec.rules {
		if r.reserved == "" {
			names = append(names, r.name)
		}
	}
	return names
}
