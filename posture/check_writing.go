package posture

import (
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// thing is what every object has.
type thing struct {
	ref    gateway.Ref
	team   string
	origin gateway.Origin
}

// things yields all objects.
func (r *review) things(yield func(thing) bool) {
	rev := r.Revision
	var all []thing
	add := func(kind gateway.Kind, name, team string, origin gateway.Origin) {
		all = append(all, thing{gateway.Ref{Kind: kind, Name: name}, team, origin})
	}
	for _, g := range rev.Gateways {
		add(gateway.KindGateway, g.Name, g.Team, g.Origin)
	}
	for _, u := range rev.Upstreams {
		add(gateway.KindUpstream, u.Name, u.Team, u.Origin)
	}
	for _, i := range rev.Issuers {
		add(gateway.KindIssuer, i.Name, i.Team, i.Origin)
	}
	for _, p := range rev.Policies {
		add(gateway.KindPolicy, p.Name, p.Team, p.Origin)
	}
	for _, b := range rev.Bundles {
		add(gateway.KindBundle, b.Name, b.Team, b.Origin)
	}
	for _, l := range rev.Limits {
		add(gateway.KindLimit, l.Name, l.Team, l.Origin)
	}
	for _, c := range rev.Certificates {
		add(gateway.KindCertificate, c.Name, c.Team, c.Origin)
	}
	for _, api := range rev.APIs {
		all = append(all, thing{api.Ref(), api.Team, api.Origin})
	}
	for _, t := range all {
		if !yield(t) {
			return
		}
	}
}

func undescribed(r *review) {
	for t := range r.things {
		if !t.origin.Writes("description") {
			r.find(t.ref, t.team, t.origin, "", "%s has no description", t.ref)
		}
	}
}

func unowned(r *review) {
	teams := false
	for t := range r.things {
		teams = teams || t.team != ""
	}
	for t := range r.things {
		switch t.ref.Kind {
		case gateway.KindAPI, gateway.KindRoute, gateway.KindUpstream:
			if teams && t.team == "" {
				r.find(t.ref, "", t.origin, "team", "%s has no team", t.ref)
			}
		}
	}
}

func nameStyle(r *review) {
	for t := range r.things {
		if !words(t.ref.Name, "-.") {
			r.find(t.ref, t.team, t.origin, "name", "%s is not written in small letters, with - or . between words", t.ref.Name)
		}
	}
}

// words reports whether a text is words of small letters and digits with one of some characters between them.
func words(text, between string) bool {
	last := byte('-')
	for i := range len(text) {
		c := text[i]
		separates := strings.IndexByte(between, c) >= 0
		switch {
		case separates && strings.IndexByte("-.", last) >= 0, !separates && !small(c) && !digit(c):
			return false
		}
		last = c
	}
	return text != "" && strings.IndexByte(between, last) < 0
}

func small(c byte) bool { return 'a' <= c && c <= 'z' }

func digit(c byte) bool { return '0' <= c && c <= '9' }

func operationStyle(r *review) {
	for _, api := range r.Revision.APIs {
		if api.Kind == gateway.KindRoute {
			continue // The id is the document's name.
		}
		for _, op := range api.Operations {
			if !words(op.ID, "-") && !camel(op.ID) {
				r.api(api, op.Field+idOf(op), "the operation %s is written neither as getPayment nor as get-payment", op.ID)
			}
		}
	}
}

// idOf returns what follows an operation's field to name its id; one of a contract has the contract's place and its own name.
func idOf(op gateway.Operation) string {
	if strings.HasPrefix(op.Field, "operations") {
		return ".id"
	}
	return "." + op.ID
}

func camel(text string) bool {
	for i := range len(text) {
		c := text[i]
		if later := i > 0 && ('A' <= c && c <= 'Z' || digit(c)); !small(c) && !later {
			return false
		}
	}
	return text != ""
}

func versionStyle(r *review) {
	for _, api := range r.Revision.APIs {
		if api.Kind == gateway.KindAPI && !isVersion(api.Version) {
			r.api(api, "version", "%s is neither v and a number nor a date", api.Version)
		}
	}
}

func isVersion(text string) bool {
	if number, ok := strings.CutPrefix(text, "v"); ok {
		return number != "" && strings.Trim(number, "0123456789.") == ""
	}
	return len(text) == len("2027-01-31") && strings.Trim(text, "0123456789-") == "" && strings.Count(text, "-") == 2
}

func withoutContract(r *review) {
	for _, api := range r.Revision.APIs {
		if api.Kind == gateway.KindAPI && !api.Origin.Writes("contract") {
			r.api(api, "", "%s has no contract", api.Ref())
		}
	}
}

func unformatted(r *review) {
	if r.Format == nil {
		return
	}
	for _, p := range r.Revision.Policies {
		if text := r.Format(p); text != "" && strings.TrimSpace(text) != strings.TrimSpace(p.Source) {
			r.policy(p, "rego", "the Rego of %s is not as opa fmt writes it%s", p.Name, firstDifference(p.Source, text))
		}
	}
}

// firstDifference tells the line in which two texts begin to differ.
func firstDifference(a, b string) string {
	written, formatted := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(written), len(formatted)) {
		if written[i] != formatted[i] {
			return fmt.Sprintf(", from its line %d on", i+1)
		}
	}
	return ""
}

func withoutDefault(r *review) {
	if r.Rego == nil {
		return
	}
	for _, p := range r.Revision.Policies {
		if known, ok := r.Rego(p); ok && !known.Default {
			r.policy(p, "", "%s has no default answer", p.Name)
		}
	}
}
