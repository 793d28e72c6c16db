package share

import (
	"cmp"
	"slices"
	"time"
)

// Parts of what is divided.
const (
	reservePart = 10 // Of the rate, for who comes next; kept only where nobody lacks it.
	floorPart   = 16 // Of an equal part: who asks for less is still assigned so much, for when it asks again.
	trifle      = 16 // Tokens in an hour that stay free, so that one can flow to who comes.
	unknownPart = 4  // Of its part: who has so much waits for more until it is known what it asks for.
	repayPart   = 50 // Of the rate, kept back while there is hardly any credit for changes.
	steadyPart  = 20 // Of what somebody has: a smaller change is not worth a full bucket.
	burstPart   = 2  // Of the burst, for the holders; the rest is for changes and for who comes.
	shortPart   = 10 // Of a second's rate, as the burst of who asks for more than it gets.
)

// Divide gives every Holder of an owner what it should have now, as far as that is free, and returns those whose Assignment is
// another one. What it takes from one is free for others only when it is certainly in force no more.
func (d *Division) Divide(owner string, now time.Time) []*Holder {
	at := now.UnixMilli()
	d.advance(at)
	aims := d.aims()
	if len(aims) == 0 {
		return nil
	}
	free := d.Limit.Rate - d.Held().Rate
	lack, short := int64(0), false
	for _, a := range aims {
		if gap := a.rate - a.holder.greatest().Rate; gap > 0 && a.lacks() {
			lack += gap
		}
		short = short || !a.holder.Known
	}
	short = lack > free || !short && free < d.Limit.Rate/reservePart/2 && d.spare(aims)
	var changed []*Holder
	if short {
		for _, a := range aims {
			if a.holder.Owner == owner && a.holder.Given && a.holder.Now.Rate-a.rate > a.holder.Now.Rate/steadyPart && d.give(a.holder, a.assignment(d, a.rate), at) {
				changed = append(changed, a.holder)
			}
		}
	}
	// Who has least comes first, so that a newcomer is served before somebody grows.
	slices.SortStableFunc(aims, func(a, b aim) int { return cmp.Compare(a.holder.Now.Rate, b.holder.Now.Rate) })
	for _, a := range aims {
		if rate, ok := a.grows(d.Limit.Rate - d.Held().Rate - min(d.Limit.Rate/2, trifle)); ok && a.holder.Owner == owner && d.give(a.holder, a.assignment(d, rate), at) {
			changed = append(changed, a.holder)
		}
	}
	return changed
}

// aim is what a holder should have.
type aim struct {
	holder *Holder
	rate   int64
	number int64 // Of holders.
}

// lacks reports whether a holder needs more than it has.
func (a aim) lacks() bool {
	h := a.holder
	return !h.Given || !h.Known && a.rate > h.Now.Rate || h.Known && h.Demand > h.Now.Rate-h.Now.Rate/shortPart
}

// grows returns what a holder may be given of what is free; ok is false where it keeps what it has.
func (a aim) grows(free int64) (rate int64, ok bool) {
	h := a.holder
	if !h.Given {
		rate = min(a.rate, max(0, free))
		if !h.Known {
			rate = min(a.rate, max(0, free)/2) // Somebody else may come before this one has reported.
		}
		if h.Before != nil { // That much counts as its own already.
			rate = max(rate, min(a.rate, h.Before.Rate))
		}
		return rate, true
	}
	if !a.lacks() || !h.Known && h.Now.Rate >= a.rate/unknownPart {
		return 0, false
	}
	rate = min(a.rate, h.Now.Rate+max(0, free))
	return rate, rate-h.Now.Rate > h.Now.Rate/steadyPart || h.Now.Burst == 0
}

// assignment returns a rate with its burst. Who asks for more than it gets has an empty bucket anyway, and gets a small one, as
// each change costs one.
func (a aim) assignment(d *Division, rate int64) Assignment {
	half := max(1, d.Limit.Burst/burstPart)
	burst := scaled(half, max(rate, d.Limit.Rate/(burstPart*a.number)), d.Limit.Rate)
	if a.holder.Known {
		burst = scaled(half, rate, d.Limit.Rate)
		if a.holder.Demand > rate {
			burst = min(burst, rate/(shortPart*int64(Unit/time.Second)))
		}
	}
	return Assignment{rate, max(1, burst)}
}

// scaled is n x part / whole for part at most whole, without overflow: n is below 2^31, part below 2^32.
func scaled(n, part, whole int64) int64 {
	if whole == 0 {
		return 0
	}
	return n * min(part, whole) / whole
}

// give gives a holder an Assignment, with less burst where the credit is short; without any it is refused everything where it
// has nothing, and keeps what it has otherwise (false).
func (d *Division) give(h *Holder, a Assignment, at int64) bool {
	a.Burst = min(a.Burst, max(0, d.Credit/creditUnit))
	if a.Rate == 0 { // A bucket into which nothing flows cannot be said to Envoy.
		a.Rate = 1
		if h.greatest().Rate < 1 && d.Limit.Rate-d.Held().Rate < 1 {
			a.Burst = 0
		}
	}
	if a.Burst == 0 {
		if h.Given {
			return false
		}
		a.Rate = 0
	}
	if h.Given && h.Now == a {
		return false
	}
	if h.Given {
		h.Before = &Lent{h.greatest(), h.Sent + d.lives()}
	}
	d.Credit -= a.Burst * creditUnit
	h.Now, h.Given, h.Sent, h.Changed, h.Doubtful = a, true, at, at, false
	d.cap()
	return true
}

// aims returns what every holder that is heard of should have: max-min fair by demand, and of what nobody asks for the same
// for each, but a reserve.
func (d *Division) aims() []aim {
	var aims []aim
	available := d.Limit.Rate
	for _, h := range d.Holders {
		if h.Lost {
			available -= h.greatest().Rate
			continue
		}
		aims = append(aims, aim{holder: h})
	}
	n := int64(len(aims))
	if n == 0 || available <= 0 {
		for i := range aims {
			aims[i].number = n
		}
		return aims
	}
	if d.Credit < d.Limit.Burst*creditUnit/(4*burstPart) {
		available -= available / repayPart
	}
	available -= min(available/2, trifle)
	asked := make([]int64, n)
	for i := range aims {
		aims[i].number = n
		asked[i] = max(d.asks(aims[i].holder), available/(floorPart*n))
	}
	parts := maxMin(available, asked)
	for _, p := range parts {
		available -= p
	}
	extra := max(0, available-d.Limit.Rate/reservePart) / n
	for i := range aims {
		aims[i].rate = parts[i] + extra
	}
	return aims
}

// asks returns the rate that a holder asks for: all, before it is known.
func (d *Division) asks(h *Holder) int64 {
	if !h.Known {
		return d.Limit.Rate
	}
	return min(h.Demand, d.Limit.Rate)
}

// spare reports whether the aims leave a reserve.
func (d *Division) spare(aims []aim) bool {
	sum := int64(0)
	for _, a := range aims {
		sum += a.rate
	}
	return d.Limit.Rate-sum >= d.Limit.Rate/reservePart/2
}

// maxMin divides a whole among those who ask for parts of it: nobody gets more than it asks for, and who gets less gets no
// less than anybody else. The parts come in the order of asked.
func maxMin(whole int64, asked []int64) []int64 {
	order := make([]int, len(asked))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(asked[a], asked[b]) })
	parts := make([]int64, len(asked))
	for i, k := range order {
		parts[k] = min(asked[k], whole/int64(len(order)-i))
		whole -= parts[k]
	}
	return parts
}
