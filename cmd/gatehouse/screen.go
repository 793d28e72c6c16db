package main

import (
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/internal/terminal"
)

// screen is a terminal to which only text and the colours of this program pass: much of what is shown was written by others (teams,
// Envoys, whoever answers at an address), and a terminal obeys what it is sent.
type screen struct{ out io.Writer }

// onScreen returns a stream as it is written to: a terminal as a screen, everything else as it is, to the byte.
func onScreen(stream io.Writer, isTerminal func(any) bool) io.Writer {
	if isTerminal(stream) {
		return &screen{out: stream}
	}
	return stream
}

// isTerminal reports whether a stream is a terminal, also as a screen.
func isTerminal(stream any) bool {
	if s, ok := stream.(*screen); ok {
		return terminal.Is(s.out)
	}
	return terminal.Is(stream)
}

// Write writes what may be shown, and a mark in the place of everything else. Each call is to hold whole characters.
func (s *screen) Write(p []byte) (int, error) {
	shown := make([]byte, 0, len(p))
	for rest := p; len(rest) > 0; {
		if length := colourAt(rest); length > 0 {
			shown, rest = append(shown, rest[:length]...), rest[length:]
			continue
		}
		r, size := utf8.DecodeRune(rest)
		if r != '\t' && r != '\n' && !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		shown, rest = utf8.AppendRune(shown, r), rest[size:]
	}
	if _, err := s.out.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}

// colourAt returns the length of the colour with which a text begins; 0: none.
func colourAt(text []byte) int {
	for _, colour := range []string{red, green, yellow, bold, off} {
		if len(text) >= len(colour) && string(text[:len(colour)]) == colour {
			return len(colour)
		}
	}
	return 0
}
