package edit

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// patch replaces a part of a text.
type patch struct {
	from, to int
	text     string
}

// splicer turns one tree into another by patches of the text.
type splicer struct {
	*source
	patches []patch
}

// splice returns the text with what differs between two trees put in place. What comes out is to be checked: YAML has more
// ways to write a value than are looked at here.
func splice(text []byte, old, want *yaml.Node) ([]byte, error) {
	s := &splicer{source: newSource(text)}
	if err := s.value(old, want, -2); err != nil {
		return nil, err
	}
	return s.apply()
}

// apply makes the patches, which must not overlap.
func (s *splicer) apply() ([]byte, error) {
	slices.SortStableFunc(s.patches, func(a, b patch) int { return a.from - b.from })
	var out bytes.Buffer
	at := 0
	for _, p := range s.patches {
		if p.from < at || p.to < p.from {
			return nil, errLost
		}
		out.Write(s.text[at:p.from])
		out.WriteString(s.broken(p.text))
		at = p.to
	}
	out.Write(s.text[at:])
	return out.Bytes(), nil
}

// broken returns text with the line breaks that the document has.
func (s *splicer) broken(text string) string {
	if bytes.Contains(s.text, []byte("\r\n")) {
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

func (s *splicer) patch(from, to int, text string) {
	s.patches = append(s.patches, patch{from: from, to: to, text: text})
}

// value makes one value into another. indent is that of what the value is in.
func (s *splicer) value(old, want *yaml.Node, indent int) error {
	switch {
	case same(old, want):
		return nil
	case old.Kind == yaml.AliasNode || old.Anchor != "":
		return errLost
	case old.Kind != want.Kind, old.Kind == yaml.ScalarNode, len(old.Content) == 0, len(want.Content) == 0:
		return s.replace(old, want, indent)
	}
	before := len(s.patches)
	err := s.fields
	if old.Kind == yaml.SequenceNode {
		err = s.items
	}
	if e := err(old, want); e != nil {
		s.patches = s.patches[:before]
		return s.replace(old, want, indent)
	}
	return nil
}

// replace puts a value in place of another.
func (s *splicer) replace(old, want *yaml.Node, indent int) error {
	from, err := s.start(old)
	if err != nil {
		return err
	}
	to, err := s.end(old)
	if err != nil {
		return err
	}
	if old.Kind == yaml.ScalarNode && old.Value == "" && from == to { // Nothing is written behind the colon.
		s.patch(from, to, " "+flow(want))
		return nil
	}
	block := old.Kind != yaml.ScalarNode && old.Style&yaml.FlowStyle == 0
	switch {
	case block && len(want.Content) > 0:
		s.patch(from, to, inside(want, columnOf(old)))
	case block:
		for from > 0 && strings.IndexByte(" \t\r\n", s.text[from-1]) >= 0 {
			from--
		}
		if from == 0 || s.text[from-1] != ':' && s.text[from-1] != '-' {
			return errLost
		}
		s.patch(from, to, " "+flow(want))
	case want.Kind == yaml.ScalarNode && strings.Contains(want.Value, "\n") && !s.inFlow(from):
		s.patch(from, to, literal(want, indent))
	default:
		s.patch(from, to, flow(want))
	}
	return nil
}

// inFlow reports, for a position on a line, whether a bracket is open on it: a block of text cannot stand there.
func (s *splicer) inFlow(at int) bool {
	start, _ := s.lineStart(at)
	return bytes.ContainsAny(s.text[start:at], "[{")
}

// columnOf returns by how many blanks what a block mapping or list holds is indented.
func columnOf(n *yaml.Node) int {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0].Column - 1
	}
	return n.Column - 1
}

// fields makes a mapping into another.
func (s *splicer) fields(old, want *yaml.Node) error {
	last := -1 // Of the fields so far, the last that was there before.
	var added []int
	for i := 0; i < len(want.Content); i += 2 {
		at := fieldOf(old, want.Content[i].Value)
		if at < 0 {
			added = append(added, i)
			if err := s.addField(old, want, i, last); err != nil {
				return err
			}
			continue
		}
		last = at
		if err := s.value(old.Content[at+1], want.Content[i+1], columnOf(old)); err != nil {
			return err
		}
	}
	for i := 0; i < len(old.Content); i += 2 {
		if fieldOf(want, old.Content[i].Value) >= 0 {
			continue
		}
		if len(added) > 0 { // Where one goes, another would be put beside it.
			return errLost
		}
		if err := s.cut(old, i, 2); err != nil {
			return err
		}
	}
	return nil
}

// addField puts a field behind another, or before all.
func (s *splicer) addField(old, want *yaml.Node, i, behind int) error {
	indent := columnOf(old)
	if behind < 0 {
		at, err := s.start(old.Content[0])
		text := flow(want.Content[i+1]) + ", "
		if old.Style&yaml.FlowStyle == 0 {
			text = strings.TrimPrefix(behindColon(want.Content[i+1], indent), " ") + strings.Repeat(" ", indent)
		}
		s.patch(at, at, key(want.Content[i])+": "+text)
		return err
	}
	at, err := s.end(old.Content[behind+1])
	if err != nil {
		return err
	}
	if old.Style&yaml.FlowStyle != 0 {
		s.patch(at, at, ", "+key(want.Content[i])+": "+flow(want.Content[i+1]))
		return nil
	}
	s.below(at, strings.Repeat(" ", indent)+key(want.Content[i])+":"+behindColon(want.Content[i+1], indent))
	return nil
}

// below adds lines below the one in which a position is.
func (s *splicer) below(at int, lines string) {
	end := s.lineEnd(at)
	if end == len(s.text) {
		s.patch(end, end, "\n"+strings.TrimSuffix(lines, "\n"))
		return
	}
	end = s.nextLine(end)
	s.patch(end, end, lines)
}

// items makes a list into another: items are taken away, changed, or added at the end.
func (s *splicer) items(old, want *yaml.Node) error {
	switch {
	case len(want.Content) == len(old.Content):
		for i, item := range want.Content {
			if err := s.value(old.Content[i], item, columnOf(old)); err != nil {
				return err
			}
		}
	case len(want.Content) > len(old.Content):
		for i, item := range old.Content {
			if !same(item, want.Content[i]) {
				return errLost
			}
		}
		return s.extend(old, want.Content[len(old.Content):])
	default:
		i := 0
		for at, item := range old.Content {
			if i < len(want.Content) && same(item, want.Content[i]) {
				i++
				continue
			}
			if err := s.cut(old, at, 1); err != nil {
				return err
			}
		}
		if i < len(want.Content) {
			return errLost
		}
	}
	return nil
}

// extend adds items at the end of a list, in the style of the last one there is.
func (s *splicer) extend(old *yaml.Node, items []*yaml.Node) error {
	last := old.Content[len(old.Content)-1]
	at, err := s.end(last)
	if err != nil {
		return err
	}
	for _, item := range items {
		if old.Style&yaml.FlowStyle != 0 {
			s.patch(at, at, ", "+flow(item))
			continue
		}
		margin := strings.Repeat(" ", columnOf(old)) + "- "
		if last.Style&yaml.FlowStyle != 0 || item.Kind == yaml.ScalarNode || len(item.Content) == 0 {
			s.below(at, margin+flow(item)+"\n")
			continue
		}
		s.below(at, margin+inside(item, columnOf(old)+2)+"\n")
	}
	return nil
}
