package edit

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// source is a text whose values are found by their lines and columns.
type source struct {
	text  []byte
	lines []int // Where each begins.
}

func newSource(text []byte) *source {
	s := &source{text: text, lines: []int{0}}
	for i := 0; i < len(text); i++ {
		if n := breakAt(text[i:]); n > 0 {
			i += n - 1
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// breakAt returns the length of the line break with which a text begins (YAML 1.1, 5.4: there are more than one).
func breakAt(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("\r\n")):
		return 2
	case text[0] == '\n', text[0] == '\r':
		return 1
	case bytes.HasPrefix(text, []byte("\u0085")):
		return 2
	case bytes.HasPrefix(text, []byte("\u2028")), bytes.HasPrefix(text, []byte("\u2029")):
		return 3
	}
	return 0
}

// start returns where a value begins. Columns count characters.
func (s *source) start(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(s.lines) {
		return 0, errLost
	}
	at := s.lines[n.Line-1]
	for range n.Column - 1 {
		if at >= len(s.text) {
			return 0, errLost
		}
		_, size := utf8.DecodeRune(s.text[at:])
		at += size
	}
	return at, nil
}

// end returns where the text of a value ends, before blanks, comments and line breaks.
func (s *source) end(n *yaml.Node) (int, error) {
	at, err := s.start(n)
	if err != nil {
		return 0, err
	}
	if n.Kind == yaml.AliasNode {
		return s.ahead(at, "*"+n.Value)
	}
	if n.Anchor != "" {
		if at, err = s.ahead(at, "&"+n.Anchor); err != nil {
			return 0, err
		}
		at = s.skip(at)
	}
	switch {
	case n.Kind == yaml.ScalarNode:
		return s.scalarEnd(n, at)
	case n.Style&yaml.FlowStyle != 0:
		return s.flowEnd(n, at)
	case len(n.Content) == 0:
		return 0, errLost
	}
	return s.end(n.Content[len(n.Content)-1])
}

// ahead returns the position behind a text that must stand at another.
func (s *source) ahead(at int, text string) (int, error) {
	if !bytes.HasPrefix(s.text[at:], []byte(text)) {
		return 0, errLost
	}
	return at + len(text), nil
}

// skip returns the first position from another that is no blank, line break or comment.
func (s *source) skip(at int) int {
	for at < len(s.text) {
		switch c := s.text[at]; {
		case c == '#':
			for at < len(s.text) && breakAt(s.text[at:]) == 0 {
				at++
			}
		case strings.IndexByte(" \t\r\n", c) < 0:
			return at
		default:
			at++
		}
	}
	return at
}

func (s *source) scalarEnd(n *yaml.Node, at int) (int, error) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return s.quoteEnd(at, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return s.quoteEnd(at, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockEnd(at)
	}
	return s.plainEnd(n.Value, at)
}

func (s *source) quoteEnd(at int, quote byte) (int, error) {
	if at >= len(s.text) || s.text[at] != quote {
		return 0, errLost
	}
	for i := at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == quote && quote == '\'' && i+1 < len(s.text) && s.text[i+1] == quote:
			i++
		case c == quote:
			return i + 1, nil
		}
	}
	return 0, errLost
}

// plainEnd follows plain text, which may be folded over lines.
func (s *source) plainEnd(value string, at int) (int, error) {
	for i := 0; i < len(value); {
		if value[i] == ' ' || value[i] == '\n' {
			for i < len(value) && (value[i] == ' ' || value[i] == '\n') {
				i++
			}
			before := at
			for at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[at]) >= 0 {
				at++
			}
			if at == before {
				return 0, errLost
			}
			continue
		}
		if at >= len(s.text) || s.text[at] != value[i] {
			return 0, errLost
		}
		i, at = i+1, at+1
	}
	return at, nil
}

// blockEnd returns where text below a "|" or ">" ends: before the first line that is indented less than its first.
func (s *source) blockEnd(at int) (int, error) {
	if at >= len(s.text) || strings.IndexByte("|>", s.text[at]) < 0 {
		return 0, errLost
	}
	end := s.lineEnd(at)
	indent := 0
	for next := s.nextLine(end); next < len(s.text); next = s.nextLine(s.lineEnd(next)) {
		line := s.text[next:s.lineEnd(next)]
		blanks := len(line) - len(bytes.TrimLeft(line, " "))
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			continue
		case indent == 0 && blanks > 0:
			indent = blanks
		case blanks < indent || indent == 0:
			return end, nil
		}
		end = next + len(line)
	}
	return end, nil
}

// lineEnd returns the end of the line in which a position is, before its break.
func (s *source) lineEnd(at int) int {
	for at < len(s.text) && breakAt(s.text[at:]) == 0 {
		at++
	}
	return at
}

// nextLine returns where the line behind an end begins.
func (s *source) nextLine(end int) int {
	if end >= len(s.text) {
		return end
	}
	return end + breakAt(s.text[end:])
}

// flowEnd returns the position behind the bracket that closes a value.
func (s *source) flowEnd(n *yaml.Node, at int) (int, error) {
	if at >= len(s.text) || strings.IndexByte("[{", s.text[at]) < 0 {
		return 0, errLost
	}
	at++
	if len(n.Content) > 0 {
		var err error
		if at, err = s.end(n.Content[len(n.Content)-1]); err != nil {
			return 0, err
		}
	}
	for at = s.skip(at); at < len(s.text) && s.text[at] == ','; {
		at = s.skip(at + 1)
	}
	if at >= len(s.text) || strings.IndexByte("]}", s.text[at]) < 0 {
		return 0, errLost
	}
	return at + 1, nil
}

// lineStart returns where the line of a position begins, and whether nothing but blanks stands before it there.
func (s *source) lineStart(at int) (start int, first bool) {
	at = max(0, at)
	next, exact := slices.BinarySearch(s.lines, at)
	if !exact {
		next--
	}
	start = s.lines[next]
	return start, len(bytes.Trim(s.text[start:at], " ")) == 0
}
