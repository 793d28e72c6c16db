package server

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/posture"
)

// Reviewed is what the rules say about a directory of documents that can be served, waivers taken into account.
type Reviewed struct {
	Posture []posture.Finding
	Lint    []posture.Finding
}

// Review compiles documents as serve would, and looks those of the directory over by the rules of security and of style, with
// the waivers that it holds. Whatever keeps them from being served is a fault; so is a file of waivers that cannot be read, or
// that names a rule that does not exist. Reviewed is nil if there is any.
func (w Work) Review(lookup func(string) (string, bool), now time.Time) (*Reviewed, gateway.Faults) {
	next, faults := w.compile(lookup)
	waivers, found := waiversOf(w.Dir)
	if faults = append(faults, found...).Sort(); len(faults) > 0 {
		return nil, faults
	}
	s := next.subject(now)
	s.Format = func(p *gateway.Policy) string {
		text, err := authz.Format(p.Source)
		if err != nil { // What cannot be read is a fault, and nothing is found here.
			return ""
		}
		return text
	}
	return &Reviewed{
		Posture: posture.Waive(own(posture.Findings(s)), waivers, posture.Security(), now),
		Lint:    posture.Waive(own(posture.Lint(s)), waivers, posture.Style(), now),
	}, nil
}

// own leaves out the findings in what lies beside a directory.
func own(findings []posture.Finding) []posture.Finding {
	return slices.DeleteFunc(findings, func(f posture.Finding) bool { return f.Place.Source != "" })
}

// ReviewSources looks a configuration over, source by source, by the rules of security, apart from the host it runs on: secrets,
// certificates and watched files are not looked at. manages is the address over TCP at which its daemon is managed, empty
// where it is a socket.
func ReviewSources(sources []admin.SourceFiles, manages string, now time.Time) ([]posture.Finding, gateway.Faults) {
	var list []config.Source
	for _, s := range sources {
		list = append(list, config.Source{Name: s.Source, Team: s.Team, Files: s.Files})
	}
	docs, faults := config.LoadSources(list, "", config.Options{})
	rev, found := gateway.Assemble(docs, authz.NewReducer().Reduce)
	faults = append(faults, found...)
	table, found := authz.Compile(rev, nil)
	if faults = append(faults, found...).Sort(); len(faults) > 0 {
		return nil, faults
	}
	s := (&compiled{revision: rev, authz: table}).subject(now)
	s.Admin = manages
	return posture.Findings(s), nil
}

// newRisks returns what a change adds to the findings of security that are high or worse, as warnings of its plan.
func newRisks(before, after *compiled, now time.Time) gateway.Faults {
	added := posture.New(posture.Findings(before.subject(now)), posture.Findings(after.subject(now)))
	return posture.Warnings(posture.Worst(added, posture.High))
}

// subject returns what is looked over of a compiled revision.
func (c *compiled) subject(now time.Time) posture.Subject {
	s := posture.Subject{Revision: c.revision, Now: now}
	if c.observed != nil {
		s.Certificates = c.observed.Certificates
	}
	if c.authz != nil {
		s.Rego = func(p *gateway.Policy) (posture.Rego, bool) {
			known, ok := c.authz.Inspect(p)
			return posture.Rego{Allows: known.Allows, Default: known.Default}, ok
		}
	}
	return s
}

// waiversOf returns the waivers of a directory.
func waiversOf(dir string) ([]posture.Waiver, gateway.Faults) {
	written, faults := config.LoadWaivers(dir)
	known := map[string]bool{}
	for _, r := range append(posture.Security(), posture.Style()...) {
		known[r.ID] = true
	}
	var waivers []posture.Waiver
	for _, w := range written {
		if !known[w.Rule] {
			faults = append(faults, gateway.Fault{
				Code: gateway.CodeBadValue, Place: w.Place, Field: "rule", Message: fmt.Sprintf("there is no rule %q: write one of docs/posture.md or docs/lint.md", w.Rule),
			})
		}
		waivers = append(waivers, posture.Waiver(w))
	}
	return waivers, faults
}
