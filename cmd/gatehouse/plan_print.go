package main

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// Bounds of what is shown of a field's value: bytes of one line, and lines.
const (
	maxFieldText  = 400
	maxValueLines = 40
)

// planPrinter prints what a change does, for people.
type planPrinter struct {
	w       io.Writer
	paint   paint
	project *projectDir // Whose files the places are in; nil: the daemon knows them only.
	begun   bool        // Something is printed already.
	names   bool        // Only what becomes of which object, without the fields.
}

func (p *planPrinter) line(format string, args ...any) {
	p.begun = true
	fmt.Fprintf(p.w, format+"\n", args...)
}

// heading begins a part.
func (p *planPrinter) heading(text string) {
	if p.begun {
		p.line("")
	}
	p.line("%s", p.paint.with(bold, text))
}

// plan prints a plan without faults.
func (p *planPrinter) plan(plan *admin.Plan) {
	p.changes(plan.Changes)
	if len(plan.Kept) > 0 {
		p.heading("kept, though no file has them any more (--prune deletes them):")
		for _, ref := range plan.Kept {
			p.line("  %s", ref)
		}
	}
	p.fleets(plan.Fleets)
	p.hops(plan.Routes)
	if plan.Series != 0 {
		p.heading(fmt.Sprintf("time series of metrics: %+d", plan.Series))
	}
	p.limits(plan.Limits)
	p.tests(plan.Tests)
	if len(plan.Warnings) > 0 {
		p.heading("warnings:")
		for _, w := range plan.Warnings {
			w.Place = p.project.seen(w.Place)
			p.line("  %s", p.paint.with(yellow, w.Error()))
		}
	}
	if plan.Held != "" {
		p.heading("it would be held until somebody confirms it: " + plan.Held)
	}
}

// changes prints what becomes of each object: deleted first, then changed, then added.
func (p *planPrinter) changes(changes []gateway.Change) {
	for i := range changes {
		c := &changes[i]
		if i > 0 && !p.names {
			p.line("")
		}
		p.line("%s %s%s", p.paint.kind(c.Kind, string(c.Kind)), p.paint.with(bold, c.Object.String()), aside(p.project.seen(c.Place).String()))
		if p.names {
			continue
		}
		for _, f := range c.Fields {
			p.field(c, f)
		}
	}
}

// field prints one field: what it was, and what it will be.
func (p *planPrinter) field(c *gateway.Change, f gateway.FieldChange) {
	where := ""
	if at := p.project.seen(f.Place); c.Kind == gateway.Changed && at.File != "" {
		where = aside(at.String())
	}
	if f.Kind != gateway.Added {
		tail := ""
		if f.Kind == gateway.Deleted {
			tail = where
		}
		p.value(gateway.Deleted, "- ", f.Field, f.Before, tail)
	}
	if f.Kind != gateway.Deleted {
		p.value(gateway.Added, "+ ", f.Field, f.After, where)
	}
}

// value prints a value of a field. A text of several lines is shown as such.
func (p *planPrinter) value(kind gateway.ChangeKind, sign, field, value, where string) {
	lines := severalLines(value)
	if lines == nil {
		p.line("  %s%s", p.paint.kind(kind, sign+field+": "+printable(fieldText(value))), where)
		return
	}
	p.line("  %s%s", p.paint.kind(kind, sign+field+":"), where)
	for i, line := range lines {
		if i == maxValueLines {
			p.line("  %s", p.paint.kind(kind, fmt.Sprintf("%s  ... (%s)", sign, count(len(lines), "line"))))
			return
		}
		p.line("  %s", p.paint.kind(kind, strings.TrimRight(sign+"  "+printable(line), " ")))
	}
}

// severalLines returns the lines of a value that is a text of several.
func severalLines(value string) []string {
	var text string
	if !strings.HasPrefix(value, `"`) || yaml.Unmarshal([]byte(value), &text) != nil {
		return nil
	}
	text = strings.TrimSuffix(text, "\n")
	if !strings.Contains(text, "\n") {
		return nil
	}
	return strings.Split(text, "\n")
}

// aside puts a remark behind a line.
func aside(text string) string {
	if text == "" {
		return ""
	}
	return "  (" + text + ")"
}

// fieldText keeps a long value from hiding all others. -o json has it whole.
func fieldText(text string) string {
	if len(text) <= maxFieldText {
		return text
	}
	cut := maxFieldText
	for cut > 0 && text[cut]&0xc0 == 0x80 { // Not within a character.
		cut--
	}
	return fmt.Sprintf("%s... (%s)", text[:cut], count(len(text), "byte"))
}

// fleets prints what each fleet's Envoys get.
func (p *planPrinter) fleets(fleets []admin.FleetChange) {
	for _, f := range fleets {
		if len(f.Resources) == 0 {
			continue
		}
		p.heading(fmt.Sprintf("fleet %s, %s: %s, %s to each", f.Fleet, count(f.Nodes, "node"), count(len(f.Resources), "resource"), size(uint64(f.Bytes))))
		for _, r := range f.Resources {
			p.line("  %s %s %s%s", p.paint.kind(r.Kind, string(r.Kind)), r.Type, r.Name, aside(sized(r)))
		}
	}
}

// sized is the size of a resource that is sent.
func sized(r admin.ResourceChange) string {
	if r.Bytes == 0 {
		return ""
	}
	return size(uint64(r.Bytes))
}

// hops prints the routes that wait for Gatehouse more or less often than before.
func (p *planPrinter) hops(routes []admin.RouteChange) {
	if len(routes) == 0 {
		return
	}
	p.heading("calls to Gatehouse that a request waits for:")
	for _, r := range routes {
		p.line("  %s: %s, before %s", r.Route, hopsText(r.After), hopsText(r.Before))
		for _, j := range r.Policies {
			p.line("    policy %s", judged(j))
		}
	}
}

// hopsText says how often a request waits, and for what.
func hopsText(hops []gateway.Hop) string {
	if len(hops) == 0 {
		return "none"
	}
	parts := make([]string, len(hops))
	for i, h := range hops {
		parts[i] = h.Service + " (" + h.Why + ")"
	}
	return strings.Join(parts, ", ")
}

// limits prints what limits would have done with recorded requests.
func (p *planPrinter) limits(trials []admin.LimitTrial) {
	if len(trials) == 0 {
		return
	}
	p.heading("limits, by the requests that were recorded in the last hour:")
	for _, t := range trials {
		unknown := ""
		if t.Unknown > 0 {
			unknown = fmt.Sprintf("; the records of %d do not tell what it counts by", t.Unknown)
		}
		p.line("  %s: %d of %d would have been refused%s", t.Limit, t.Refused, t.Requests, unknown)
	}
}

// tests prints how the tests of policies went: each that failed, and how many did not.
func (p *planPrinter) tests(tests []admin.PolicyTest) {
	if len(tests) == 0 {
		return
	}
	var failed []admin.PolicyTest
	for _, t := range tests {
		if !t.Passed {
			failed = append(failed, t)
		}
	}
	p.heading(fmt.Sprintf("tests of policies: %d passed, %d failed", len(tests)-len(failed), len(failed)))
	for _, t := range failed {
		p.line("  %s %s of policy %s%s", p.paint.with(red, "failed"), t.Name, t.Policy, aside(p.project.seen(t.Place).String()))
		if t.Output != "" {
			p.line("    %s", strings.ReplaceAll(strings.TrimSpace(printable(t.Output)), "\n", "\n    "))
		}
	}
}

// summary says in one line what a change does.
func summary(changes []gateway.Change) string {
	kinds := map[gateway.ChangeKind]int{}
	for _, c := range changes {
		kinds[c.Kind]++
	}
	return fmt.Sprintf("%d to delete, %d to change, %d to add", kinds[gateway.Deleted], kinds[gateway.Changed], kinds[gateway.Added])
}
