package config

import (
	"cmp"
	"reflect"
	"slices"
	"time"
	_ "time/tzdata" // Time zones are the same on every host.

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// sameFields reports whether two limits say the same.
func sameFields(a, b *limitFields) bool { return reflect.DeepEqual(a, b) }

// window builds a window.
func (f *windowFields) window(o *object, at string) gateway.Window {
	w := gateway.Window{Limit: int64(f.Limit), Per: f.Per.length, Burst: int64(f.Burst), Every: f.Per.every, Anchor: f.Begins, Zone: f.Zone}
	if f.Limit == 0 && !o.blamed(join(at, "limit")) {
		o.fault(gateway.CodeMissingField, join(at, "limit"), "the field limit is missing: write it, as in limit: 100")
	}
	if f.Per == (limitPer{}) && !o.blamed(join(at, "per")) {
		o.fault(gateway.CodeMissingField, join(at, "per"), "the field per is missing: write it, as in per: 1m")
	}
	switch {
	case w.Every != "":
		w.Arithmetic = gateway.Quota
		f.calendar(o, at)
		return w
	case f.Begins != 0:
		o.fault(gateway.CodeWindow, join(at, "begins"), "begins is about the calendar, and %s is none of its periods: write per: day, week or month, or remove begins", f.Per)
	case f.Zone != "":
		o.fault(gateway.CodeWindow, join(at, "zone"), "zone is about the calendar, and %s is none of its periods: write per: day, week or month, or remove zone", f.Per)
	}
	switch {
	case f.Arithmetic == string(gateway.Fixed):
		w.Arithmetic = gateway.Fixed
		if f.Burst > 0 {
			o.fault(gateway.CodeWindow, join(at, "burst"), "what is counted in fixed intervals has no burst: remove burst, or arithmetic")
		}
	case f.Arithmetic == string(gateway.Tokens):
		w.Arithmetic = gateway.Tokens
		w.Burst = int64(f.Burst)
		if f.Burst == 0 {
			w.Burst = w.Limit
		}
	case f.Burst > 0:
		w.Arithmetic = gateway.Paced
	}
	return w
}

// calendar checks what is said of a period of the calendar.
func (f *windowFields) calendar(o *object, at string) {
	if f.Burst > 0 {
		o.fault(gateway.CodeWindow, join(at, "burst"), "a period of the calendar has no burst: remove burst, or write a duration for per")
	}
	if f.Arithmetic != "" {
		o.fault(gateway.CodeWindow, join(at, "arithmetic"), "a period of the calendar is counted as it is: remove arithmetic, or write a duration for per")
	}
	switch {
	case f.Begins != 0 && f.Per.every == gateway.Daily:
		o.fault(gateway.CodeWindow, join(at, "begins"), "a day begins at midnight: remove begins, or write per: week or per: month")
	case f.Begins > 7 && f.Per.every == gateway.Weekly:
		o.fault(gateway.CodeWindow, join(at, "begins"), "a week has 7 days: write 1 (Monday) to 7")
	}
	if _, err := time.LoadLocation(f.Zone); err != nil || f.Zone == "Local" {
		o.fault(gateway.CodeWindow, join(at, "zone"), "there is no time zone %q: write one of the IANA database, as in Europe/Berlin", f.Zone)
	}
}

// when builds the conditions; nil where there are none.
func (f *whenFields) when(o *object, at string) *gateway.LimitWhen {
	if f == nil {
		return nil
	}
	if len(f.Headers)+len(f.Query)+len(f.Claims)+len(f.Plans) == 0 && !o.blamed(at) {
		o.fault(gateway.CodeMissingField, at, "when says nothing: write headers, query, claims or plans, or remove it")
	}
	headers := each(f.Headers, func(h headerTestFields) gateway.HeaderTest {
		return gateway.HeaderTest{Name: string(h.Header), Values: sortedTexts(h.Is)}
	})
	slices.SortFunc(headers, func(a, b gateway.HeaderTest) int { return cmp.Compare(a.Name, b.Name) })
	claims := claimTests(f.Claims)
	slices.SortFunc(claims, func(a, b gateway.ClaimTest) int { return cmp.Compare(a.Name, b.Name) })
	return &gateway.LimitWhen{
		Headers: headers,
		Query:   conditions(o, join(at, "query"), f.Query), Claims: claims, Plans: sortedTexts(texts(f.Plans)),
	}
}

// cost builds the cost, which must stand in one place.
func (f *costFields) cost(o *object, at string) gateway.Cost {
	if f == nil {
		return gateway.Cost{}
	}
	var out []gateway.Cost
	add := func(is bool, from string) {
		if is {
			out = append(out, gateway.Cost{From: from, Per: int64(f.Per)})
		}
	}
	if f.Number > 0 {
		out = append(out, gateway.Cost{Number: int64(f.Number)})
	}
	add(f.Header != "", gateway.CostHeader+string(f.Header))
	add(f.Claim != "", gateway.CostClaim+string(f.Claim))
	add(f.Body != "", gateway.CostBody)
	add(f.ResponseHeader != "", gateway.CostResponseHeader+string(f.ResponseHeader))
	add(f.Response != "", gateway.CostResponse)
	switch {
	case o.blamed(at):
	case len(out) != 1:
		o.fault(gateway.CodeConflict, at, "a cost stands in one place: write one of number, header, claim, body, response-header and response")
	case f.Per != 0 && f.Body == "" && f.Response == "":
		o.fault(gateway.CodeConflict, join(at, "per"), "per is about sizes: remove it, or write body: size or response: size")
	case out[0].Number == 1: // As if nothing were written.
		return gateway.Cost{}
	default:
		return out[0]
	}
	return gateway.Cost{}
}

// lengthen leaves one window where a list holds one, the name of a Limit as the limit's own, and 1 for no cost.
func (f *limitFields) lengthen() {
	if f.LimitOf != "" {
		f.Name = f.LimitOf
	}
	f.limitingFields.lengthen()
}

func (f *limitingFields) lengthen() {
	if len(f.Windows) == 1 && f.windowFields == (windowFields{}) {
		f.windowFields, f.Windows = f.Windows[0], nil
		f.windowFields.lengthen()
	}
	if f.Cost != nil && *f.Cost == (costFields{Number: 1}) {
		f.Cost = nil
	}
}

func (f *windowFields) lengthen() {
	if f.Arithmetic == string(gateway.Tokens) && f.Burst == f.Limit {
		f.Burst = 0
	}
	if f.Zone == "UTC" {
		f.Zone = ""
	}
	if f.Begins == 1 {
		f.Begins = 0
	}
}

// requireWindow says in the schema of a struct what a limit must have: limit and per, several windows, or the name of a Limit.
func requireWindow(s *jsonschema.Schema, t reflect.Type) {
	one := []string{"limit", "per"}
	switch t {
	case reflect.TypeFor[windowFields]():
		s.Required = one
	case reflect.TypeFor[sharedLimitDocument]():
		s.AnyOf = []*jsonschema.Schema{{Required: one}, {Required: []string{"windows"}}}
	case reflect.TypeFor[limitFields]():
		s.AnyOf = []*jsonschema.Schema{
			{Required: append([]string{"name"}, one...)}, {Required: []string{"name", "windows"}}, {Required: []string{"limit-of"}},
		}
	}
}
