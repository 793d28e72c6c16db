// Package posture looks over a configuration that is without fault: how safe it is (rules GS...) and how well it is written
// (rules GL...).
//
// In: a Subject, that is a gateway.Revision with what else is known about it, and Waivers. Out: Findings, each with its rule,
// severity, place and what to do, as values, as SARIF and as JUnit XML. It is pure: it reads no file and asks nobody.
package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Subject is what is looked over. Of what is not known nothing is said.
type Subject struct {
	Revision     *gateway.Revision
	Now          time.Time                  // Zero: unknown.
	Certificates map[string]gateway.KeyPair // By the Certificate's name; what is missing is unknown.
	Admin        string                     // The TCP address of the management API; empty: unknown, or none.
	// Rego tells of a Policy's Rego; ok is false where that is unknown. nil: of none.
	Rego func(p *gateway.Policy) (known Rego, ok bool)
	// Format returns a Policy's Rego as `opa fmt` writes it, empty where that is unknown. nil: of none.
	Format func(p *gateway.Policy) string
}

// Rego is what is known of the text of a Policy.
type Rego struct {
	Allows  bool // It allows a request of which nothing is known.
	Default bool // Its deciding rule has a default, so that it always answers.
}

// Finding is what a rule says about one place.
type Finding struct {
	Rule     string        `json:"rule"`
	Severity Severity      `json:"severity"`
	Object   gateway.Ref   `json:"object"` // Zero where it is about the whole.
	Team     string        `json:"team,omitempty"`
	Place    gateway.Place `json:"place"`
	Field    string        `json:"field,omitempty"` // Path inside the document, as in a fault.
	Message  string        `json:"message"`         // What is so; one line, no trailing period.
	Fix      string        `json:"fix"`             // What to do about it; one line.
	Waived   *Waived       `json:"waived,omitempty"`
}

// Waived says why a Finding does not count.
type Waived struct {
	Reason string `json:"reason"`
	Until  string `json:"until"` // The last day, as 2006-01-02.
}

// Findings returns what the rules of security say, worst first.
func Findings(s Subject) []Finding { return look(s, Security()) }

// Lint returns what the rules of style say, worst first.
func Lint(s Subject) []Finding { return look(s, Style()) }

// New returns the findings that a change adds: those of after whose rule said nothing about that object before.
func New(before, after []Finding) []Finding {
	type key struct {
		rule   string
		object gateway.Ref
	}
	known := map[key]bool{}
	for _, f := range before {
		known[key{f.Rule, f.Object}] = true
	}
	return slices.DeleteFunc(slices.Clone(after), func(f Finding) bool { return known[key{f.Rule, f.Object}] })
}

// Warnings returns findings as what stands beside a plan: their rules in place of codes. What is waived is left out.
func Warnings(findings []Finding) gateway.Faults {
	var out gateway.Faults
	for _, f := range Worst(findings, Info) {
		out = append(out, gateway.Fault{
			Code: gateway.Code(f.Rule), Place: f.Place, Field: f.Field, Object: f.Object, Team: f.Team, Message: f.Message + ": " + lowered(f.Fix),
		})
	}
	return out
}

// lowered returns a sentence as it stands after a colon.
func lowered(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// Worst returns the findings at or above a severity that no waiver covers.
func Worst(findings []Finding, least Severity) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Waived != nil || f.Severity.rank() < least.rank() })
}

func look(s Subject, rules []Rule) []Finding {
	if s.Revision == nil {
		return nil
	}
	r := &review{Subject: s, apis: map[gateway.Ref]*gateway.API{}, seen: map[place]bool{}, operations: map[*gateway.API]map[string]*gateway.Operation{}}
	for _, api := range s.Revision.APIs {
		r.apis[api.Ref()] = api
	}
	for _, rule := range rules {
		if rule.check != nil {
			r.rule = rule
			rule.check(r)
		}
	}
	return sorted(r.findings)
}

// sorted returns findings with the worst first, then by place.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity.rank(), a.Severity.rank()), cmp.Compare(a.Place.File, b.Place.File),
			cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Object.String(), b.Object.String()), cmp.Compare(a.Message, b.Message),
		)
	})
	return findings
}

// review carries what one look needs.
type review struct {
	Subject
	rule     Rule
	apis     map[gateway.Ref]*gateway.API
	findings []Finding
	seen     map[place]bool

	operations map[*gateway.API]map[string]*gateway.Operation // By id.
}

// place is where a rule says something once.
type place struct {
	rule   string
	object gateway.Ref
	field  string
}

// find records a finding of the rule at hand.
func (r *review) find(object gateway.Ref, team string, origin gateway.Origin, field, format string, args ...any) {
	at := place{r.rule.ID, object, field}
	if r.seen[at] {
		return
	}
	r.seen[at] = true
	r.findings = append(r.findings, Finding{
		Rule: r.rule.ID, Severity: r.rule.Severity, Object: object, Team: team, Place: origin.At(field), Field: field,
		Message: fmt.Sprintf(format, args...), Fix: r.rule.Fix,
	})
}

func (r *review) gateway(g *gateway.Gateway, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindGateway, Name: g.Name}, g.Team, g.Origin, field, format, args...)
}

func (r *review) upstream(u *gateway.Upstream, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindUpstream, Name: u.Name}, u.Team, u.Origin, field, format, args...)
}

func (r *review) issuer(i *gateway.Issuer, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindIssuer, Name: i.Name}, i.Team, i.Origin, field, format, args...)
}

func (r *review) policy(p *gateway.Policy, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindPolicy, Name: p.Name}, p.Team, p.Origin, field, format, args...)
}

func (r *review) bundle(b *gateway.Bundle, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindBundle, Name: b.Name}, b.Team, b.Origin, field, format, args...)
}

func (r *review) certificate(c *gateway.Certificate, field, format string, args ...any) {
	r.find(gateway.Ref{Kind: gateway.KindCertificate, Name: c.Name}, c.Team, c.Origin, field, format, args...)
}

func (r *review) api(api *gateway.API, field, format string, args ...any) {
	r.find(api.Ref(), api.Team, api.Origin, field, format, args...)
}

// forwarding yields the routes that forward, with their APIs.
func (r *review) forwarding(yield func(*gateway.Route, *gateway.API) bool) {
	for _, route := range r.Revision.Routes {
		if api := r.apis[route.Object]; api != nil && route.Action == gateway.ActionForward && !yield(route, api) {
			return
		}
	}
}

// said returns the field in which a route's setting is written: that of its operation where it says so itself, else the
// API's.
func (r *review) said(api *gateway.API, route *gateway.Route, field string, own func(*gateway.Operation) bool) string {
	operations, ok := r.operations[api]
	if !ok {
		operations = make(map[string]*gateway.Operation, len(api.Operations))
		for i := range api.Operations {
			operations[api.Operations[i].ID] = &api.Operations[i]
		}
		r.operations[api] = operations
	}
	if op := operations[route.Operation]; op != nil && op.Field != "" && own(op) {
		return op.Field + "." + field
	}
	return field
}
