package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Code is the stable code of a fault, explained by `gatehouse help CODE`.
type Code string

// Fault is one thing wrong with a document: where, what, and what to do about it.
type Fault struct {
	Code    Code   `json:"code"`
	Place   Place  `json:"place"`
	Field   string `json:"field,omitempty"` // Path inside the document, "operations[2].path".
	Object  Ref    `json:"object"`          // Zero where the document's kind or name could not be read.
	Team    string `json:"team,omitempty"`
	Message string `json:"message"` // What is wrong, and what to do; one line, no trailing period.
}

// Error returns "file:line:column: CODE: message".
func (f Fault) Error() string { return fmt.Sprintf("%s: %s: %s", f.Place, f.Code, f.Message) }

// Faults are many faults as one error.
type Faults []Fault

// Error returns the faults one to a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort orders faults by source, file, line, column, code and text, and drops repetitions.
func (fs Faults) Sort() Faults {
	slices.SortFunc(fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.Place.Source, b.Place.Source), cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line),
			cmp.Compare(a.Place.Column, b.Place.Column), cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message), cmp.Compare(a.Field, b.Field),
		)
	})
	return slices.CompactFunc(fs, func(a, b Fault) bool {
		return a.Place == b.Place && a.Code == b.Code && a.Message == b.Message
	})
}
