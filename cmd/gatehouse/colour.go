package main

import (
	"io"
	"strings"
	"unicode"

	"github.com/gatehouse/gatehouse/gateway"
)

// paint writes in the colours of a terminal, or plainly.
type paint struct{ on bool }

// paintFor returns the paint of a stream: colours only on a terminal, and never where NO_COLOR is set (no-color.org) or the
// terminal says that it has none.
func (env surroundings) paintFor(stream io.Writer) paint {
	none, _ := env.lookup("NO_COLOR")
	kind, _ := env.lookup("TERM")
	return paint{on: none == "" && kind != "dumb" && env.terminal(stream)}
}

// The colours, as escape sequences of ECMA-48.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	off    = "\x1b[0m"
)

func (p paint) with(colour, text string) string {
	if !p.on || text == "" {
		return text
	}
	return colour + text + off
}

// printable returns a text that somebody else wrote as a terminal may show it: nothing in it moves the cursor or colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// kind paints a text as what becomes of something.
func (p paint) kind(kind gateway.ChangeKind, text string) string {
	switch kind {
	case gateway.Deleted:
		return p.with(red, text)
	case gateway.Added:
		return p.with(green, text)
	}
	return p.with(yellow, text)
}
