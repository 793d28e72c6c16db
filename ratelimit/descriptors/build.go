package descriptors

import (
	"fmt"
	"slices"
	"strings"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// builder makes a Config of documents, and finds what makes no sense in them.
type builder struct {
	options LoadOptions
	config  *Config
	places  map[string]gateway.Place // Where domains and rules stand, by their composite keys.
	faults  gateway.Faults
}

func (b *builder) fault(code gateway.Code, at gateway.Place, format string, args ...any) {
	b.faults = append(b.faults, gateway.Fault{Code: code, Place: at, Message: fmt.Sprintf(format, args...)})
}

func (b *builder) note(at gateway.Place, format string, args ...any) {
	b.config.notes = append(b.config.notes, gateway.Fault{Code: gateway.CodeConflict, Place: at, Message: fmt.Sprintf(format, args...)})
}

func (b *builder) document(doc document) {
	if doc.domain == "" {
		b.fault(gateway.CodeMissingField, doc.place, "the file has no domain: write it at the top, as the Envoys' rate limit filters name it")
		return
	}
	domain, known := b.config.domains[doc.domain]
	if known && !b.options.Merge {
		b.fault(gateway.CodeDuplicate, doc.place, "the domain %s is in %s already: put all its rules into one file, or merge domains (--merge-domains)",
			quote(doc.domain), b.places[place(doc.domain, "")])
		return
	}
	if !known {
		domain = &rule{next: map[pair]*rule{}}
		b.config.domains[doc.domain] = domain
		b.places[place(doc.domain, "")] = doc.place
	}
	b.rules(domain, doc.rules, path{series: Series{doc.domain}, composite: doc.domain})
}

// path is where a rule stands.
type path struct {
	series    Series
	composite string // By which envoyproxy/ratelimit tells rules apart.
	named     bool   // A value of the request is in the name of the series.
}

// place returns a key for places, which no other domain and composite key have.
func place(domain, composite string) string { return domain + "\x00" + composite }

// rules adds the rules of one level.
func (b *builder) rules(to *rule, all []written, at path) {
	for i := range all {
		w := &all[i]
		if w.key == "" {
			b.fault(gateway.CodeMissingField, w.place, "the descriptor has no key: write it, as the Envoys' actions name it")
			continue
		}
		composite := w.key
		if w.value != "" {
			composite += "_" + w.value
		}
		known := place(at.composite, composite)
		if other, twice := b.places[known]; twice {
			b.fault(gateway.CodeDuplicate, w.place, "the composite key %s stands in %s already: a key and its value are joined by _, and name one descriptor",
				quote(composite), other)
			continue
		}
		b.places[known] = w.place
		inner := path{
			series: append(slices.Clip(at.series), composite), composite: at.composite + "\x00" + composite,
			named: at.named || w.named,
		}
		r := b.rule(w, composite, inner)
		to.next[pair{w.key, w.value}] = r
		if prefix, ok := strings.CutSuffix(w.value, "*"); ok {
			to.wildcards = append(to.wildcards, wildcard{key: w.key, prefix: prefix, rule: r})
		} else if prefix, ok := strings.CutSuffix(w.key, "*"); ok && w.value == "" {
			to.wildcards = append(to.wildcards, wildcard{prefix: prefix, rule: r})
		}
		b.rules(r, w.rules, inner)
	}
}

func (b *builder) rule(w *written, composite string, at path) *rule {
	b.config.rules++
	r := &rule{next: map[pair]*rule{}, label: composite, named: w.named}
	if w.share {
		if !strings.HasSuffix(composite, "*") {
			b.fault(gateway.CodeConflict, w.place, "share_threshold is for values that end in *, and %s does not: add the *, or leave share_threshold out", quote(composite))
		}
		if r.pattern = w.value; w.value == "" {
			r.pattern = w.key
		}
	}
	if w.limit == nil {
		if w.shadow || w.quota || w.detailed {
			b.note(w.place, "shadow_mode, quota_mode and detailed_metric have no effect here: they belong to a descriptor that has a rate_limit itself")
		}
		return r
	}
	r.limit = b.limit(w, at)
	b.config.limits = append(b.config.limits, r.limit)
	return r
}

// limit checks a limit, and makes it ready to be answered.
func (b *builder) limit(w *written, at path) *limit {
	l := w.limit
	unit, ok := unitNamed(l.unit)
	switch {
	case ok && l.unlimited:
		b.fault(gateway.CodeConflict, l.unitPlace, "an unlimited descriptor has no unit: leave unit or unlimited out")
	case !ok && !l.unlimited && l.unit == "":
		b.fault(gateway.CodeMissingField, l.unitPlace, "the limit has no unit: write %s", unitNames)
	case !ok && !l.unlimited:
		b.fault(gateway.CodeBadValue, l.unitPlace, "%s is no unit: write %s", quote(l.unit), unitNames)
	case l.unlimited && l.requests > 0:
		b.note(l.place, "requests_per_unit has no effect on an unlimited descriptor")
	case !l.unlimited && l.requests == 0:
		b.note(l.place, "requests_per_unit is 0, or not written: every request is refused")
	}
	compiled := &limit{
		told:     &rlsv3.RateLimitResponse_RateLimit{RequestsPerUnit: l.requests, Unit: unit, Name: l.name},
		requests: int64(l.requests), unlimited: l.unlimited, shadow: w.shadow, quota: w.quota, detailed: w.detailed, series: at.series,
	}
	for _, other := range l.replaces {
		switch other.name {
		case "":
			b.fault(gateway.CodeMissingField, other.place, "the entry of replaces has no name: write the name of a limit, or leave it out")
		case l.name:
			b.fault(gateway.CodeConflict, other.place, "the limit %s cannot replace itself: write the name of another one", quote(l.name))
		}
		compiled.replaces = append(compiled.replaces, other.name)
	}
	return compiled
}
