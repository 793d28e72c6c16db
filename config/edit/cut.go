package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// cut takes a field (width 2: key and value) or an item (width 1) out of a mapping or list that keeps others.
func (s *splicer) cut(n *yaml.Node, i, width int) error {
	from, err := s.start(n.Content[i])
	if err != nil {
		return err
	}
	to, err := s.end(n.Content[i+width-1])
	if err != nil {
		return err
	}
	if n.Style&yaml.FlowStyle != 0 {
		return s.cutFlow(n, i, width, from, to)
	}
	if width == 1 {
		if from, err = s.dash(from); err != nil {
			return err
		}
	}
	start, first := s.lineStart(from)
	if first {
		end := s.lineEnd(to)
		if rest := bytes.TrimSpace(s.text[to:end]); len(rest) > 0 && rest[0] != '#' {
			return errLost
		}
		s.patch(start, s.nextLine(end), "")
		return nil
	}
	// Behind a dash: what comes next moves up.
	if i+width >= len(n.Content) {
		return errLost
	}
	next, err := s.start(n.Content[i+width])
	if err != nil || bytes.IndexByte(s.text[to:next], '#') >= 0 {
		return errLost
	}
	s.patch(from, next, "")
	return nil
}

// cutFlow takes a part out from between brackets.
func (s *splicer) cutFlow(n *yaml.Node, i, width, from, to int) error {
	var err error
	switch {
	case i+width < len(n.Content):
		to, err = s.start(n.Content[i+width])
	case i > 0:
		from, err = s.end(n.Content[i-1])
	}
	if err != nil || bytes.IndexByte(s.text[from:to], '#') >= 0 {
		return errLost
	}
	s.patch(from, to, "")
	return nil
}

// dash returns where the dash of an item stands that begins at a position.
func (s *splicer) dash(at int) (int, error) {
	for at--; at >= 0 && strings.IndexByte(" \t", s.text[at]) >= 0; at-- {
	}
	if at < 0 || s.text[at] != '-' {
		return 0, errLost
	}
	return at, nil
}
