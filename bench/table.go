package main

import (
	"fmt"
	"os"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// table is what a run found out.
type table struct {
	machine string
	figures []figure
}

// figure is one line of the table.
type figure struct {
	what        string
	ours, floor string // With their units.
	ratio       spread
	target      target
}

// target is what a figure should be at most, or at least. The zero value is none.
type target struct {
	bound   float64
	atLeast bool
	unit    string // Empty: the ratio is bound; otherwise the value.
	value   float64
}

func (t target) String() string {
	switch {
	case t.bound == 0:
		return ""
	case t.atLeast:
		return fmt.Sprintf("at least %g", t.bound)
	case t.unit != "":
		return fmt.Sprintf("at most %g %s", t.bound, t.unit)
	}
	return fmt.Sprintf("at most %g", t.bound)
}

// verdict says whether the figure is what it should be.
func (f figure) verdict() string {
	value := f.ratio.median
	if f.target.unit != "" {
		value = f.target.value
	}
	switch {
	case f.target.bound == 0:
		return ""
	case f.target.atLeast == (value >= f.target.bound) || value == f.target.bound:
		return "ok"
	}
	return "missed"
}

// compare adds a line: a property of ours against the floor's.
func (t *table) compare(what, unit string, ours, floor []float64, goal target) {
	t.figures = append(t.figures, figure{
		what: what, ours: amount(spreadOf(ours).median, unit), floor: amount(spreadOf(floor).median, unit),
		ratio: spreadOf(ratios(ours, floor)), target: goal,
	})
}

// amount writes a value with three digits that count, and its unit.
func amount(value float64, unit string) string {
	switch {
	case value >= 100:
		return grouped(int(value+0.5)) + " " + unit
	case value >= 10:
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.2f %s", value, unit)
}

// grouped writes a whole number with commas between its thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// render writes the table as plain text or as Markdown.
func (t *table) render(form string) string {
	w := pretty.NewWriter()
	w.AppendHeader(pretty.Row{"measured", "Gatehouse", "floor", "ratio", "low to high", "target", ""})
	for _, f := range t.figures {
		w.AppendRow(pretty.Row{
			f.what, f.ours, f.floor, fmt.Sprintf("%.2f", f.ratio.median),
			fmt.Sprintf("%.2f to %.2f", f.ratio.low, f.ratio.high), f.target.String(), f.verdict(),
		})
	}
	w.SetColumnConfigs([]pretty.ColumnConfig{
		{Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	if form == "markdown" {
		return t.machine + "\n\n" + w.RenderMarkdown()
	}
	style := pretty.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options = pretty.OptionsNoBordersAndSeparators
	w.SetStyle(style)
	return t.machine + "\n\n" + w.Render()
}

// The markers in a Markdown file between which a run's table stands.
const (
	beginMarker = "<!-- The table of `make bench` begins here. -->"
	endMarker   = "<!-- The table of `make bench` ends here. -->"
)

// writeInto replaces the table in a Markdown file.
func (t *table) writeInto(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	before, rest, begins := strings.Cut(string(old), beginMarker)
	_, after, ends := strings.Cut(rest, endMarker)
	if !begins || !ends {
		return fmt.Errorf("write the table: %s has no lines %q and %q", path, beginMarker, endMarker)
	}
	content := before + beginMarker + "\n\n" + t.render("markdown") + "\n\n" + endMarker + after
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
