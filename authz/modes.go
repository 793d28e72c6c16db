package authz

import (
	"context"
	"hash/fnv"
	"io"

	"github.com/gatehouse/gatehouse/gateway"
)

// hundredths is how finely a percentage of requests is told.
const hundredths = 10_000

// counts reports whether what a policy decides about a request counts, or is only recorded. Of a percentage of requests it is
// always the same: the request id decides, so that a retry is treated as the first try was. A request without an id belongs
// to those for which it counts.
func (p *applied) counts(r *request) bool {
	if p.mode == gateway.Shadow {
		return false
	}
	if p.percent <= 0 || p.percent >= 100 {
		return true
	}
	id := r.id()
	if id == "" {
		return true
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, p.name+"\x00"+id) // A hash takes everything.
	return float64(h.Sum64()%hundredths) < p.percent*hundredths/100
}

// shadow has a policy decide whose word does not count, and notes what it would have done. Whatever goes wrong in it, the
// request is answered as if it were not there.
func (e *evaluator) shadow(ctx context.Context, r *request, p applied) {
	malformed := r.malformed
	noted := gateway.ShadowDecision{Policy: p.name, Result: Failed.String(), Reason: reasonPanic}
	defer func() {
		if recover() != nil {
			e.tally.panics.Add(1)
		}
		r.malformed = malformed
		r.shadows = append(r.shadows, noted)
	}()
	d := e.ask(ctx, r, p)
	noted.Result, noted.Reason = Allowed.String(), ""
	if d != nil {
		noted.Result, noted.Reason = d.result.String(), d.reason
	}
}
