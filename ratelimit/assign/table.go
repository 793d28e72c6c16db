package assign

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// Table holds the limits of one revision that Envoys enforce by themselves. Nothing changes it after Compile.
type Table struct {
	limits map[bucket]*limit
}

// bucket names what is divided.
type bucket struct{ scope, limit string }

// String is how a bucket is named where it is kept.
func (b bucket) String() string { return b.scope + " " + b.limit }

// limit is one of them.
type limit struct {
	share.Limit
	label  label
	fleets []string // Whose routes have it.
}

// label is how a limit is counted.
type label struct{ api, version, operation, limit string }

// Compile makes the Table of a revision. It touches nothing live. The Table is to be used only if there are no faults.
func Compile(rev *gateway.Revision) (*Table, []gateway.Fault) {
	t := &Table{limits: map[bucket]*limit{}}
	var faults gateway.Faults
	for _, r := range rev.Routes {
		limits := r.DistributedLimits()
		if len(limits) > 1 {
			faults = append(faults, fault(r, gateway.CodeDistributed, fmt.Sprintf("the limits %q and %q are both distributed: an Envoy counts a request by one such limit; let Gatehouse count the other (leave out its `enforce`)", limits[0].Name, limits[1].Name)))
			continue
		}
		for _, l := range limits {
			b := bucket{l.Scope, l.Name}
			known, ok := t.limits[b]
			if !ok {
				if wrong := unsaid(&l); wrong != "" {
					faults = append(faults, fault(r, gateway.CodeDistributed, wrong))
					continue
				}
				divided, wrong := rates(&l)
				if wrong != "" {
					faults = append(faults, fault(r, gateway.CodeDistributed, wrong))
					continue
				}
				known = &limit{Limit: divided, label: labelOf(r, &l)}
				t.limits[b] = known
			}
			if !slices.Contains(known.fleets, r.Fleet()) {
				known.fleets = append(known.fleets, r.Fleet())
			}
		}
	}
	return t, faults.Sort()
}

func fault(r *gateway.Route, code gateway.Code, message string) gateway.Fault {
	return gateway.Fault{Code: code, Place: r.Origin, Field: "limits", Object: r.Object, Message: message}
}

// unsaid returns what of a limit an Envoy cannot enforce by itself, as a fault's message; empty for nothing.
func unsaid(l *gateway.Limit) string {
	var field string
	switch {
	case len(l.Key) > 0:
		field = "key"
	case l.When != nil:
		field = "when"
	case l.Cost != (gateway.Cost{}) && l.Cost != (gateway.Cost{Number: 1}):
		field = "cost"
	case l.Mode != "" && l.Mode != gateway.Enforce:
		field = "mode"
	case l.SpendRefused:
		field = "spend-refused"
	case l.StoreAway != "" || l.StoreTimeout != 0 || l.Lease != 0:
		field = "store-away, store-timeout or lease"
	default:
		return ""
	}
	return fmt.Sprintf("the limit %q is distributed and has %s: each Envoy counts every request as one, and for all together; leave it out, or let Gatehouse count (leave out `enforce`)", l.Name, field)
}

func labelOf(r *gateway.Route, l *gateway.Limit) label {
	out := label{api: r.API, version: r.Version, limit: l.Name}
	if l.Scope == r.Name {
		out.operation = r.Operation
	}
	return out
}

// rates returns a limit as it is divided, or what is wrong with it.
func rates(l *gateway.Limit) (out share.Limit, wrong string) {
	w := l.Windows[0]
	switch {
	case len(l.Windows) != 1 || w.Arithmetic == gateway.Fixed || w.Arithmetic == gateway.Quota:
		return out, fmt.Sprintf("the limit %q is distributed: it has one window, of `limit`, `per` and perhaps `burst`", l.Name)
	case w.Per < time.Millisecond || w.Per > share.Unit:
		return out, fmt.Sprintf("the limit %q is distributed and counts per %s: write a duration from 1ms to %s", l.Name, w.Per, share.Unit)
	}
	high, low := bits.Mul64(uint64(max(0, w.Limit)), uint64(share.Unit)) //nolint:gosec // At least 0.
	if high >= uint64(w.Per) {
		return out, tooMuch(l)
	}
	rate, _ := bits.Div64(high, low, uint64(w.Per))
	burst := cmp.Or(w.Burst, gateway.DistributedBurst(w))
	if rate < 1 || rate > share.MaxRate || burst > share.MaxBurst || burst < 1 {
		return out, tooMuch(l)
	}
	return share.Limit{Rate: int64(rate), Burst: burst}, "" //nolint:gosec // At most MaxRate.
}

func tooMuch(l *gateway.Limit) string {
	return fmt.Sprintf("the limit %q is distributed: from 1 to %d requests in an hour can be divided, with a burst of at most %d", l.Name, share.MaxRate, share.MaxBurst)
}

// find returns a limit, if a fleet's routes have it.
func (t *Table) find(b bucket, fleet string) *limit {
	l := t.limits[b]
	if l == nil || !slices.Contains(l.fleets, fleet) {
		return nil
	}
	return l
}
