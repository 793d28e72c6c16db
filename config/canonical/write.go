package canonical

import (
	"strings"
	"unicode"
)

const (
	// longKey is a length above which readers of YAML do not take a key for one unless it is marked (YAML 1.2, 7.4.2: 1024).
	longKey = 1000
	// longLine is where a list of texts stops to stand on one line.
	longLine = 100
)

// Write returns a Mapping as a YAML document, without marks before or after it.
func Write(v Value) []byte {
	w := &writer{}
	w.mapping(v, 0)
	return []byte(w.String())
}

// Below returns a value as it stands behind the colon of a field that is indented by so many blanks, up to the end of its last
// line.
func Below(v Value, indent int) string {
	w := &writer{}
	w.below(v, max(0, indent))
	return w.String()
}

// Inside returns the fields or items of a value, each on lines of its own that are indented by so many blanks, but for the first
// line.
func Inside(v Value, indent int) string {
	w := &writer{}
	if v.Shape == Mapping {
		w.mapping(v, indent)
	} else {
		w.list(v, indent)
	}
	return strings.TrimLeft(w.String(), " ")
}

// Line returns any Value as YAML on one line. It shows secrets.
func Line(v Value) string {
	w := &writer{}
	w.flow(v)
	return w.String()
}

// Shown is Line with a fingerprint in place of each secret.
func Shown(v Value) string {
	w := &writer{hide: true}
	w.flow(v)
	return w.String()
}

// writer writes YAML that every reader of YAML 1.1 and 1.2 reads alike.
type writer struct {
	strings.Builder
	hide bool
}

func (w *writer) write(texts ...string) {
	for _, text := range texts {
		w.WriteString(text)
	}
}

// mapping writes fields, each on lines of its own; the first begins where the writer stands.
func (w *writer) mapping(v Value, indent int) {
	margin := strings.Repeat(" ", indent)
	for i, p := range v.Parts {
		if i > 0 {
			w.write(margin)
		}
		if key := v.keyOf(p); len(key) > longKey {
			w.write("? ", key, "\n", margin, ":")
		} else {
			w.write(key, ":")
		}
		w.below(p.Value, indent)
	}
}

// keyOf returns how the name of a field is written: quoted where it is free and needs that.
func (v *Value) keyOf(p Part) string {
	if v.Record != nil {
		return p.Name
	}
	return quoted(p.Name)
}

// below writes the value of a field or item: behind it, or on the lines below.
func (w *writer) below(v Value, indent int) {
	switch {
	case len(v.Parts) == 0 || onOneLine(v):
		if literal(v) {
			w.block(v.Text, strings.Repeat(" ", indent+2))
			return
		}
		w.write(" ")
		w.flow(v)
		w.write("\n")
	case v.Shape == Mapping:
		w.write("\n", strings.Repeat(" ", indent+2))
		w.mapping(v, indent+2)
	default:
		w.write("\n")
		w.list(v, indent+2)
	}
}

func (w *writer) list(v Value, indent int) {
	for _, item := range v.Parts {
		w.write(strings.Repeat(" ", indent), "-")
		if item.Shape == Mapping && len(item.Parts) > 0 {
			w.write(" ")
			w.mapping(item.Value, indent+2)
			continue
		}
		w.below(item.Value, indent)
	}
}

// onOneLine reports a list of texts that is short.
func onOneLine(v Value) bool {
	length := 0
	for _, p := range v.Parts {
		if p.Shape != Text && p.Shape != Plain || v.Shape != List {
			return false
		}
		length += len(p.Text) + 2
	}
	return length < longLine
}

// flow writes a value on one line.
func (w *writer) flow(v Value) {
	if w.hide && v.Secret {
		w.write(fingerprint(Line(v)))
		return
	}
	switch v.Shape {
	case Mapping:
		w.write("{")
		for i, p := range v.Parts {
			if i > 0 {
				w.write(", ")
			}
			if key := v.keyOf(p); len(key) > longKey {
				w.write("? ", key, " : ")
			} else {
				w.write(key, ": ")
			}
			w.flow(p.Value)
		}
		w.write("}")
	case List:
		w.write("[")
		for i, p := range v.Parts {
			if i > 0 {
				w.write(", ")
			}
			w.flow(p.Value)
		}
		w.write("]")
	case Plain:
		w.write(v.Text)
	default:
		w.write(quoted(v.Text))
	}
}

// literal reports text of lines that stands as it is below a "|" and is read again as it was.
func literal(v Value) bool {
	text := v.Text
	if v.Shape != Lines && v.Shape != Text || !strings.Contains(text, "\n") {
		return false
	}
	body := strings.TrimSuffix(text, "\n")
	last := body[strings.LastIndexByte(body, '\n')+1:]
	return body != "" && !strings.ContainsAny(body[:1], " \t\n") && strings.TrimSpace(last) != "" &&
		!strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !printable(r) })
}

// block writes text of lines.
func (w *writer) block(text, margin string) {
	body, whole := strings.CutSuffix(text, "\n")
	w.write(" |")
	if !whole {
		w.write("-")
	}
	w.write("\n")
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			w.write(margin, line)
		}
		w.write("\n")
	}
}

// printable reports a character that YAML holds unescaped and no reader takes for the end of a line.
func printable(r rune) bool {
	return unicode.IsGraphic(r) && r != '\u2028' && r != '\u2029' && r != unicode.ReplacementChar
}
