package descriptors

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
)

// keys returns the keys that may stand in a file. Each is taken anywhere, and has no effect where it does not belong: so does
// envoyproxy/ratelimit.
func keys() []string {
	return []string{
		"domain", "key", "value", "descriptors", "rate_limit", "unit", "requests_per_unit", "unlimited", "shadow_mode", "quota_mode",
		"name", "replaces", "detailed_metric", "value_to_metric", "share_threshold",
	}
}

// decoder turns the tree of one file into a document. What is wrong goes to faults, what has no effect to notes.
type decoder struct {
	file   string
	faults gateway.Faults
	notes  gateway.Faults
	nodes  int // Seen until now.
	large  bool
}

func (d *decoder) at(n *yaml.Node) gateway.Place {
	return gateway.Place{File: d.file, Line: n.Line, Column: n.Column}
}

func (d *decoder) fault(code gateway.Code, n *yaml.Node, format string, args ...any) {
	d.faults = append(d.faults, gateway.Fault{Code: code, Place: d.at(n), Message: oneLine(fmt.Sprintf(format, args...))})
}

func (d *decoder) note(n *yaml.Node, format string, args ...any) {
	d.notes = append(d.notes, gateway.Fault{Code: gateway.CodeUnknownField, Place: d.at(n), Message: oneLine(fmt.Sprintf(format, args...))})
}

// decode reads one file.
func decode(f File) (doc document, faults, notes gateway.Faults) {
	d := &decoder{file: f.Name}
	doc.place = gateway.Place{File: f.Name, Line: 1, Column: 1}
	root, more, broken := parse(f)
	switch {
	case broken != nil:
		return doc, gateway.Faults{*broken}, nil
	case root == nil:
	case kindOf(root) == kindNull:
	case kindOf(root) != kindMapping:
		d.fault(gateway.CodeWrongType, root, "a file of limits is a mapping with domain and descriptors, this is %s", kindOf(root))
	default:
		d.root(root, &doc)
		if more {
			d.note(root, "only the first document of a file counts: move what is below --- to a file of its own")
		}
	}
	return doc, d.faults, d.notes
}

func (d *decoder) root(n *yaml.Node, doc *document) {
	d.pairs(n, 0, func(key, value *yaml.Node) bool {
		switch key.Value {
		case "domain":
			doc.domain, doc.place = d.text(value), d.at(key)
		case "descriptors":
			doc.rules = d.rules(value, 1)
		default:
			return false
		}
		return true
	})
}

func (d *decoder) rules(n *yaml.Node, depth int) []written {
	var all []written
	d.items(n, depth, func(item *yaml.Node) {
		all = append(all, d.rule(item, depth+1))
	})
	return all
}

func (d *decoder) rule(n *yaml.Node, depth int) written {
	r := written{place: d.at(n)}
	d.pairs(n, depth, func(key, value *yaml.Node) bool {
		switch key.Value {
		case "key":
			r.key = d.text(value)
		case "value":
			r.value = d.text(value)
		case "rate_limit":
			d.limit(value, depth+1, &r)
		case "descriptors":
			r.rules = d.rules(value, depth+1)
		case "shadow_mode":
			r.shadow = d.flag(value)
		case "quota_mode":
			r.quota = d.flag(value)
		case "detailed_metric":
			r.detailed = d.flag(value)
		case "value_to_metric":
			r.named = d.flag(value)
		case "share_threshold":
			r.share = d.flag(value)
		default:
			return false
		}
		return true
	})
	return r
}

// limit reads a limit into its rule. Where it is written twice, the second adds to the first.
func (d *decoder) limit(n *yaml.Node, depth int, r *written) {
	switch kindOf(n) {
	case kindNull:
		r.limit = nil
		return
	case kindMapping:
	default:
		d.fault(gateway.CodeWrongType, n, "rate_limit is a mapping with unit and requests_per_unit, this is %s", kindOf(n))
		return
	}
	if r.limit == nil {
		r.limit = &writtenLimit{place: d.at(n), unitPlace: d.at(n)}
	}
	l := r.limit
	d.pairs(n, depth, func(key, value *yaml.Node) bool {
		switch key.Value {
		case "requests_per_unit":
			number, wrong := requests(value)
			if wrong != "" {
				d.fault(gateway.CodeWrongType, value, "requests_per_unit: %s", wrong)
			}
			l.requests = number
		case "unit":
			l.unit, l.unitPlace = d.text(value), d.at(value)
		case "unlimited":
			l.unlimited = d.flag(value)
		case "name":
			l.name = d.text(value)
		case "replaces":
			l.replaces = d.replaces(value, depth+1)
		default:
			return false
		}
		return true
	})
}

func (d *decoder) replaces(n *yaml.Node, depth int) []writtenName {
	var all []writtenName
	d.items(n, depth, func(item *yaml.Node) {
		name := writtenName{place: d.at(item)}
		d.pairs(item, depth+1, func(key, value *yaml.Node) bool {
			if key.Value != "name" {
				return false
			}
			name.name = d.text(value)
			return true
		})
		all = append(all, name)
	})
	return all
}

// text reads a text, or what is written in its place: a number or a boolean is the text that it is written as.
func (d *decoder) text(n *yaml.Node) string {
	switch k := kindOf(n); k {
	case kindNull, kindOther: // The latter is reported already.
		return ""
	case kindText, kindBool, kindInt:
		return n.Value
	default:
		d.fault(gateway.CodeWrongType, n, "text is meant here, this is %s", k)
		return ""
	}
}

func (d *decoder) flag(n *yaml.Node) bool {
	switch k := kindOf(n); k {
	case kindBool:
		value, _ := boolean(n.Value)
		return value
	case kindNull, kindOther:
	default:
		d.fault(gateway.CodeWrongType, n, "true or false is meant here, without quotes; this is %s", k)
	}
	return false
}

// items calls do for each mapping of a list.
func (d *decoder) items(n *yaml.Node, depth int, do func(item *yaml.Node)) {
	switch kindOf(n) {
	case kindNull, kindOther:
	case kindList:
		for _, item := range n.Content {
			if item = d.follow(item); item == nil {
				return
			}
			if kindOf(item) != kindMapping {
				d.fault(gateway.CodeWrongType, item, "the items of this list are mappings, this is %s", kindOf(item))
				continue
			}
			do(item)
		}
	default:
		d.fault(gateway.CodeWrongType, n, "a list is meant here, this is %s", kindOf(n))
	}
}

// quote shortens a text of a file for a message.
func quote(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return fmt.Sprintf("%q", text)
}

// oneLine keeps a message on its line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// unknown reports a key that no file has.
func (d *decoder) unknown(key *yaml.Node) {
	if near, ok := suggest.Nearest(key.Value, keys()); ok {
		d.fault(gateway.CodeUnknownField, key, "unknown key %s, did you mean %s?", quote(key.Value), near)
		return
	}
	d.fault(gateway.CodeUnknownField, key, "unknown key %s: leave it out", quote(key.Value))
}
