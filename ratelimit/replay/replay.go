package replay

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// buckets is how many are kept at most.
const buckets = 1 << 20

// ErrNoRoute tells that the revision has no limits for the operation of a record.
var ErrNoRoute = errors.New("the operation has no limits there")

// Replayer takes requests again. It is for one goroutine.
type Replayer struct {
	routes  map[[3]string]*gateway.Route
	service *ratelimit.Service
	now     time.Time
	// limits finds a limit by its condition, of which each has one of its own: so a request may be left out of one limit.
	limits map[*gateway.LimitWhen]*gateway.Limit
}

// Outcome is what the limits would have done with a request.
type Outcome struct {
	Refused *gateway.Limit   // The limit that refuses it; nil: none.
	Shadow  bool             // The limit is in mode shadow: it would have refused.
	Key     []string         // The values that Refused counts by.
	Asked   []*gateway.Limit // Those that counted the request.
	// Unsure are limits that could not be asked, with the parts of their keys, their costs and conditions that the record lacks.
	Unsure map[string][]string
}

// New returns a Replayer for the limits of a revision.
func New(rev *gateway.Revision) (*Replayer, gateway.Faults) {
	r := &Replayer{routes: map[[3]string]*gateway.Route{}, limits: map[*gateway.LimitWhen]*gateway.Limit{}}
	own := *rev
	own.Routes = nil
	for _, route := range rev.Routes {
		if route.Action != gateway.ActionForward || len(route.Limits) == 0 {
			continue
		}
		c := *route
		c.Limits = slices.Clone(route.Limits)
		for i := range c.Limits {
			l := &c.Limits[i]
			when := &gateway.LimitWhen{}
			if l.When != nil {
				*when = *l.When
			}
			l.Enforce, l.Lease = gateway.Exact, 0
			l.When, r.limits[when] = when, &route.Limits[i]
		}
		own.Routes = append(own.Routes, &c)
		r.routes[[3]string{c.API, c.Version, c.Operation}] = &c
	}
	table, faults := ratelimit.Compile(&own, nil)
	if len(faults) > 0 {
		return nil, faults
	}
	clock := func() time.Time { return r.now }
	r.service = ratelimit.New(memory.New(memory.Options{Clock: clock, Buckets: buckets}), slog.New(slog.DiscardHandler), clock)
	r.service.Wait(time.Minute) // Nobody waits for an answer.
	r.service.Use(table)
	return r, nil
}

// Limits returns how many limits there are to replay.
func (r *Replayer) Limits() int { return len(r.limits) }

// Replay takes a request again, at the time of its record: records come in the order of time. One that nobody was found to have made
// spends nothing. The error is ErrNoRoute where no limit applies, or about the record.
func (r *Replayer) Replay(ctx context.Context, d *gateway.Decision) (Outcome, error) {
	route := r.routes[[3]string{d.API, d.Version, d.Operation}]
	if route == nil || d.Result == "unauthenticated" {
		return Outcome{}, ErrNoRoute
	}
	if d.Time.After(r.now) {
		r.now = d.Time
	}
	request, err := read(d, route)
	if err != nil {
		return Outcome{}, err
	}
	asked := &asked{recorded: request, limits: r.limits, unsure: map[string][]string{}}
	spent, err := r.service.Spend(ctx, ratelimit.Spending{
		Rules: route.Rules, Cost: 1, Denied: d.Refused() && d.Result != gateway.ResultLimited, Request: asked,
	})
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Shadow: !spent.Refused && spent.Shadow != "", Asked: asked.counted, Unsure: asked.unsure}
	name := spent.Reached
	if out.Shadow {
		name = spent.Shadow
	}
	for i := range route.Limits {
		l := r.limits[route.Limits[i].When]
		if name == "" || l.Name != name {
			continue
		}
		out.Refused = l
		for _, part := range l.Key {
			value, _, _ := request.part(part)
			out.Key = append(out.Key, value)
		}
	}
	return out, nil
}

// asked is a recorded request that limits ask about.
type asked struct {
	recorded
	limits map[*gateway.LimitWhen]*gateway.Limit
	unsure map[string][]string // By the id of the limit.

	counted []*gateway.Limit
}

// Holds reports whether a limit counts the request: its condition holds, and the record has all that the limit asks for.
func (a *asked) Holds(when *gateway.LimitWhen) bool {
	l := a.limits[when]
	lacks := map[string]bool{}
	for _, part := range l.Key {
		if _, _, known := a.part(part); !known {
			lacks[part] = true
		}
	}
	if l.Cost.From != "" && !a.knowsCost(l.Cost.From) {
		lacks[l.Cost.From] = true
	}
	holds := a.holds(when, lacks)
	if len(lacks) > 0 {
		a.unsure[l.ID()] = slices.Sorted(maps.Keys(lacks))
		return false
	}
	if holds {
		a.counted = append(a.counted, l)
	}
	return holds
}

// Value returns a part of a limit's key.
func (a *asked) Value(part string) (string, bool) {
	value, ok, _ := a.part(part)
	return value, ok
}

// Amount returns the text of what is to be the number that a cost is.
func (a *asked) Amount(from string) (string, bool) { return a.amount(from) }
