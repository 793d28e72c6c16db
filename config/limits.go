package config

import (
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// limitFields is a limit of an API, an operation or a Route: one of its own, or the name of a Limit.
type limitFields struct {
	Name           name `yaml:"name" doc:"The limit's name, by which what was spent is kept."`
	LimitOf        name `yaml:"limit-of" doc:"The name of a Limit, which counts together what all that name it let through. Beside it only mode can be written."`
	limitingFields `yaml:",inline"`
}

func (limitFields) short() string { return "limit-of" }

// limitingFields say what is counted, and how.
type limitingFields struct {
	Key          []limitKey  `yaml:"key" single:"true" jsonschema:"minItems=1" doc:"What is counted by: client.address, header.NAME, query.NAME, path.PARAMETER, token.CLAIM, consumer, application, plan, or several of these together. All requests together where not said."`
	When         *whenFields `yaml:"when" doc:"Which requests are counted: those for which all of it holds. All where not said."`
	windowFields `yaml:",inline"`
	Windows      []windowFields `yaml:"windows" by:"per" jsonschema:"minItems=1" doc:"Several windows, all of which must admit a request, in place of limit and per."`
	Cost         *costFields    `yaml:"cost" doc:"What a request costs: a number, or where that stands. 1 where not said, and for what is no number."`
	Mode         string         `yaml:"mode" jsonschema:"enum=enforce,enum=shadow,default=enforce" doc:"Whether the limit refuses, or only counts and is told of."`
	SpendRefused bool           `yaml:"spend-refused" jsonschema:"default=false" doc:"Whether a request counts also where a policy or another limit refuses it."`
	StoreAway    string         `yaml:"store-away" jsonschema:"enum=open,enum=closed,enum=local" doc:"While the store of the limits cannot be asked: let through, refuse with 503, or let each replica count its part. As when-away says where not said."`
	StoreTimeout duration       `yaml:"store-timeout" jsonschema:"default=20ms" doc:"How long a request waits for the store at most, up to 1s."`
	Lease        int            `yaml:"lease" jsonschema:"minimum=1,maximum=1000000000" doc:"How much a replica may borrow from the store at a time and spend by itself. Nothing where not said, which is exact."`
	Enforce      string         `yaml:"enforce" jsonschema:"enum=distributed,enum=local" doc:"distributed: each Envoy counts for itself, by its share of the limit, and nobody is called. local: each Envoy counts for itself, the whole limit at each, by a bucket of tokens, before anybody is asked who they are. Gatehouse counts where not said."`
	Ceiling      bool           `yaml:"ceiling" jsonschema:"default=false" doc:"Whether each Envoy refuses by itself, before it asks, what is far beyond the limit. What is granted beyond the limit it does not know."`
}

type windowFields struct {
	Limit      int      `yaml:"limit" jsonschema:"minimum=1,maximum=1000000000" doc:"How much is let through in any interval of length per, or in each period of the calendar."`
	Per        limitPer `yaml:"per" doc:"The length of the interval, 1s to 8784h, or a period of the calendar: day, week or month."`
	Burst      int      `yaml:"burst" jsonschema:"minimum=1,maximum=1000000000" doc:"What may pass at once: over any time at most burst and limit/per times that time."`
	Arithmetic string   `yaml:"arithmetic" jsonschema:"enum=fixed,enum=tokens" doc:"fixed: intervals begin at multiples of per, and twice the limit may pass around such a moment. tokens: a bucket that holds burst, or limit where not said, and is filled by limit in per."`
	Begins     int      `yaml:"begins" jsonschema:"minimum=1,maximum=31" doc:"On which day of the month a period begins, 1 to 31, or on which of the week, 1 (Monday) to 7. On the last day of a month that has fewer. On the first where not said."`
	Zone       string   `yaml:"zone" doc:"The time zone of the calendar, as in Europe/Berlin. UTC where not said."`
}

type whenFields struct {
	Headers []headerTestFields         `yaml:"headers" by:"header" order:"none" jsonschema:"minItems=1" doc:"What headers must be, all of them. Several lines of a header are one text with commas between."`
	Query   map[string]conditionFields `yaml:"query" doc:"Query parameters that the request must have. The first value of each counts, decoded."`
	Claims  []claimFields              `yaml:"claims" by:"claim" order:"none" jsonschema:"minItems=1" doc:"What the verified token must say, all of it."`
	Plans   []name                     `yaml:"plans" order:"none" single:"true" jsonschema:"minItems=1" doc:"Plans, one of which the caller must have."`
}

type costFields struct {
	Number         int         `yaml:"number" jsonschema:"minimum=1,maximum=1000000000" doc:"The cost of every request."`
	Header         headerField `yaml:"header" doc:"A header of the request in which the cost stands."`
	Claim          claimPath   `yaml:"claim" doc:"A claim of the verified token in which the cost stands."`
	Body           string      `yaml:"body" jsonschema:"enum=size" doc:"The cost is the size of the request's body. Where its length is not said before, it is spent when the stream ends."`
	ResponseHeader headerField `yaml:"response-header" doc:"A header of the upstream's response in which the cost stands. It is spent when the stream ends."`
	Response       string      `yaml:"response" jsonschema:"enum=size" doc:"The cost is the size of the response's body. It is spent when the stream ends."`
	Per            byteSize    `yaml:"per" doc:"How many bytes of a size cost 1, begun ones counted whole. One byte where not said."`
}

func (costFields) short() string { return "number" }

func limits(o *object, list []limitFields, field string) []gateway.Limit {
	if list == nil {
		return nil
	}
	out := make([]gateway.Limit, 0, len(list))
	for i := range list {
		f, at := &list[i], fmt.Sprintf("%s[%d]", field, i)
		if f.LimitOf == "" {
			if f.Name == "" && !o.blamed(at) {
				o.fault(gateway.CodeMissingField, at, "the limit has no name: write name:, or limit-of: and the name of a Limit")
			}
			out = append(out, f.limit(o, string(f.Name), at))
			continue
		}
		alone := limitFields{Name: f.Name, LimitOf: f.LimitOf, limitingFields: limitingFields{Mode: f.Mode}}
		if f.Name != "" && f.Name != f.LimitOf || !sameFields(f, &alone) {
			o.fault(gateway.CodeConflict, at, "what %s counts is said in the Limit of that name: write nothing beside limit-of but mode", f.LimitOf)
		}
		out = append(out, gateway.Limit{Name: string(f.LimitOf), Of: string(f.LimitOf), Mode: f.mode()})
	}
	return out
}

func (f *limitingFields) mode() gateway.Mode {
	if f.Mode == string(gateway.Shadow) {
		return gateway.Shadow
	}
	return gateway.Enforce
}

// limit builds the limit, whose fields stand at a path: empty for a document of its own.
func (f *limitingFields) limit(o *object, name, at string) gateway.Limit {
	l := gateway.Limit{
		Name: name, Key: texts(f.Key), When: f.When.when(o, join(at, "when")), Cost: f.Cost.cost(o, join(at, "cost")), Mode: f.mode(),
		SpendRefused: f.SpendRefused, StoreAway: gateway.StoreAway(f.StoreAway), StoreTimeout: time.Duration(f.StoreTimeout),
		Lease: int64(f.Lease), Enforce: gateway.Enforcement(f.Enforce), Ceiling: f.Ceiling,
	}
	switch {
	case f.Windows == nil:
		l.Windows = []gateway.Window{f.window(o, at)}
	case f.windowFields != windowFields{}:
		o.fault(gateway.CodeConflict, join(at, "windows"), "windows excludes limit, per and what else is said of one window: put these into windows")
	default:
		for i := range f.Windows {
			l.Windows = append(l.Windows, f.Windows[i].window(o, fmt.Sprintf("%s[%d]", join(at, "windows"), i)))
		}
	}
	f.check(o, &l, at)
	return l
}

// maxStoreTimeout bounds how long a request may wait for the store of limits.
const maxStoreTimeout = time.Second

// check finds what excludes one another.
func (f *limitingFields) check(o *object, l *gateway.Limit, at string) {
	if l.StoreTimeout > maxStoreTimeout {
		o.fault(gateway.CodeBadValue, join(at, "store-timeout"), "a request may wait for the store up to 1s: write a duration below that")
	}
	for _, w := range l.Windows {
		if l.Lease > 0 && w.Limit > 0 && l.Lease > w.Limit {
			o.fault(gateway.CodeBadValue, join(at, "lease"), "a lease of %d is more than the limit %d: write less, or remove it", l.Lease, w.Limit)
			break
		}
	}
	switch l.Enforce {
	case gateway.Distributed:
		f.checkDistributed(o, l, at)
	case gateway.Local:
		f.checkLocal(o, l, at)
	}
}

// countedByGatehouse returns the fields of a limit that no Envoy can hold to which counts by itself, in any way to count.
func countedByGatehouse(l *gateway.Limit) []string {
	var out []string
	for _, said := range []struct {
		is    bool
		field string
	}{
		{l.When != nil, "when"},
		{l.Cost != gateway.Cost{}, "cost"},
		{l.Mode != gateway.Enforce, "mode"},
		{l.SpendRefused, "spend-refused"},
		{l.Ceiling, "ceiling"},
		{l.StoreAway != "", "store-away"},
		{l.StoreTimeout != 0, "store-timeout"},
		{l.Lease != 0, "lease"},
		{len(l.Windows) > 1, "windows"},
		{len(l.Windows) == 1 && (l.Windows[0].Arithmetic == gateway.Quota || l.Windows[0].Arithmetic == gateway.Fixed), "per"},
	} {
		if said.is {
			out = append(out, said.field)
		}
	}
	return out
}

// checkDistributed finds what an Envoy cannot count by itself.
func (f *limitingFields) checkDistributed(o *object, l *gateway.Limit, at string) {
	if len(l.Key) > 0 {
		o.fault(gateway.CodeDistributed, join(at, "key"), "Envoys cannot share out a limit for each %s: count all requests together, or remove enforce", l.Key[0])
	}
	for _, field := range countedByGatehouse(l) {
		o.fault(gateway.CodeDistributed, join(at, field), "Envoys that count by themselves cannot hold to %s: remove it, or enforce", field)
	}
}
