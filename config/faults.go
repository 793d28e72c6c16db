package config

import (
	"net/http"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// faultsFields say which faults are put into requests.
type faultsFields struct {
	orNone
	Delay   duration           `yaml:"delay" doc:"How long a request waits before it goes on, up to 5m."`
	Abort   int                `yaml:"abort" jsonschema:"minimum=400,maximum=599" doc:"The status of the answer that is given in place of the upstream's."`
	Percent percent            `yaml:"percent" jsonschema:"default=100%" doc:"How many of the requests are meant."`
	Headers []headerTestFields `yaml:"headers" by:"header" order:"none" jsonschema:"minItems=1" doc:"What headers of a request must be for it to be meant, all of them."`
	Until   moment             `yaml:"until" doc:"When it ends by itself, such as 2027-03-01T18:00:00Z. It has to be said."`
}

// maxDelay bounds how long a request may be held.
const maxDelay = 5 * time.Minute

func (f *faultsFields) injection(o *object, at string) *gateway.Injection {
	switch {
	case f == nil:
		return nil
	case f.none:
		return &gateway.Injection{}
	}
	out := &gateway.Injection{Delay: time.Duration(f.Delay), Abort: f.Abort, Percent: float64(f.Percent), Until: f.Until.Time}
	if f.Percent == 0 {
		out.Percent = 100
	}
	out.Headers = each(f.Headers, func(h headerTestFields) gateway.HeaderTest {
		return gateway.HeaderTest{Name: string(h.Header), Values: sortedTexts(h.Is)}
	})
	switch {
	case o.blamed(at):
	case f.Delay == 0 && f.Abort == 0:
		o.fault(gateway.CodeInjection, at, "nothing is injected: write delay, abort or both, or none")
	case f.Until.IsZero():
		o.fault(gateway.CodeInjection, at, "faults must end by themselves: write until and a time, such as %s", f.Until.example())
	case time.Duration(f.Delay) > maxDelay:
		o.fault(gateway.CodeInjection, join(at, "delay"), "a request may be held up to 5m: write less")
	case f.Abort != 0 && http.StatusText(f.Abort) == "":
		o.fault(gateway.CodeInjection, join(at, "abort"), "%d is no status that callers know: write one that is, such as 503", f.Abort)
	}
	return out
}

// moment is a time as RFC 3339 writes it.
type moment struct{ time.Time }

func (v *moment) parse(text string) (err error) {
	if v.Time, err = time.Parse(time.RFC3339, text); err != nil {
		return &refusal{code: gateway.CodeInjection, text: "this is no time: write date, time and zone as RFC 3339 does, such as " + v.example()}
	}
	v.Time = v.UTC().Truncate(time.Second)
	return nil
}

// String returns the time in UTC.
func (v *moment) String() string { return v.UTC().Format(time.RFC3339) }

func (moment) example() string { return "2027-03-01T18:00:00Z" }

func (moment) JSONSchema() *jsonschema.Schema {
	return pattern(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$`, moment{}.example())
}
