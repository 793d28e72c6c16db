package posture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Waiver says that a finding is accepted.
type Waiver struct {
	Rule   string
	Object string // As gateway.Ref writes it, "API payments/v1"; "*": every object.
	Field  string // Empty: every field of it.
	Reason string
	Until  time.Time // The last day.
	Place  gateway.Place
}

// waiverRules are the rules about waivers themselves, for one set of rules.
func waiverRules(prefix string) []Rule {
	return []Rule{
		{
			ID: prefix + "090", Title: "A waiver has expired", Severity: High,
			Why: "What was accepted for a time is accepted no more, and its finding counts again.",
			Fix: "Mend what the waiver was about and remove it, or decide anew until when it holds",
		},
		{
			ID: prefix + "091", Title: "A waiver covers nothing", Severity: Info,
			Why: "No finding is as the waiver says: it was mended, or the waiver is misspelt.",
			Fix: "Remove the waiver, or correct its rule, object or field",
		},
	}
}

// Waive marks the findings that waivers cover on a day, and adds findings about waivers that have expired, or cover nothing.
// Waivers of other rules than these are passed over; an expired one covers nothing.
func Waive(findings []Finding, waivers []Waiver, rules []Rule, now time.Time) []Finding {
	out := slices.Clone(findings)
	for _, w := range waivers {
		at := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == w.Rule })
		if at < 0 {
			continue
		}
		expired := !now.Before(w.Until.AddDate(0, 0, 1))
		used := false
		for i, f := range out {
			if !w.covers(f) {
				continue
			}
			used = true
			if !expired {
				out[i].Waived = &Waived{Reason: w.Reason, Until: w.Until.Format(time.DateOnly)}
			}
		}
		switch {
		case expired:
			out = append(out, w.finding(rules, "090", "the waiver of %s for %s has expired on %s", w.Rule, w.Object, w.Until.Format(time.DateOnly)))
		case !used:
			out = append(out, w.finding(rules, "091", "the waiver of %s for %s covers no finding", w.Rule, w.Object))
		}
	}
	return sorted(out)
}

func (w Waiver) covers(f Finding) bool {
	return w.Rule == f.Rule && (w.Object == "*" || w.Object == f.Object.String()) && (w.Field == "" || w.Field == f.Field)
}

func (w Waiver) finding(rules []Rule, suffix, format string, args ...any) Finding {
	f := Finding{Place: w.Place, Message: fmt.Sprintf(format, args...)}
	for _, r := range rules {
		if strings.HasSuffix(r.ID, suffix) {
			f.Rule, f.Severity, f.Fix = r.ID, r.Severity, r.Fix
		}
	}
	return f
}
