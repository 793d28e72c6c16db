package share

import (
	"slices"
	"time"
)

// Limit is what is divided: over any interval of length t at most Burst + Rate x t.
type Limit struct {
	Rate  int64 `json:"rate"`  // Tokens in an hour, at most MaxRate.
	Burst int64 `json:"burst"` // Tokens, 1 to MaxBurst.
}

// Bounds of a Limit, so that nothing overflows and all of it fits the 32 bits of a token bucket.
const (
	MaxRate  = 1<<32 - 1
	MaxBurst = 1<<31 - 1
)

// Unit is the time in which an Assignment's Rate flows.
const Unit = time.Hour

// Assignment is what one Envoy may let through: a bucket of Burst tokens, full at first, into which Rate tokens flow in an
// hour. With Burst 0 it may let nothing through.
type Assignment struct {
	Rate  int64 `json:"rate"`
	Burst int64 `json:"burst"`
}

// Settings are what both ends agree on.
type Settings struct {
	Life     time.Duration // How long an Envoy keeps an Assignment after it was given last.
	Interval time.Duration // The shortest time between two reports of one Envoy in one stream.
	Margin   time.Duration // Within which an Assignment reaches its Envoy, and by which clocks may differ.
}

// Holder is an Envoy that takes part in a division. Times are milliseconds since the Unix epoch.
type Holder struct {
	ID       int64      `json:"id"`
	Node     string     `json:"node"`
	Owner    string     `json:"owner,omitempty"` // Who hears of it, and gives it what it has.
	Now      Assignment `json:"now"`
	Given    bool       `json:"given,omitempty"`    // Now was given, and may be in force.
	Sent     int64      `json:"sent,omitempty"`     // When Now was given last.
	Changed  int64      `json:"changed,omitempty"`  // When Now was given first.
	Before   *Lent      `json:"before,omitempty"`   // What may be in force in place of Now; nil: nothing.
	Demand   int64      `json:"demand,omitempty"`   // Requests in an hour.
	Known    bool       `json:"known,omitempty"`    // Demand was measured.
	Reported int64      `json:"reported"`           // Until when Demand was measured.
	Asked    int64      `json:"asked,omitempty"`    // Requests since then, where a report came too soon to measure by.
	Lost     bool       `json:"lost,omitempty"`     // Nobody hears of it any more.
	Arrived  int64      `json:"arrived,omitempty"`  // When what certainly reached it was sent, last.
	Doubtful bool       `json:"doubtful,omitempty"` // Whether what was sent since reached it is not known.
}

// Lent is an Assignment that may be in force until a time.
type Lent struct {
	Assignment
	Until int64 `json:"until"`
}

// Division is who holds which part of a limit. Its exported fields are its state, to be kept and read back; only methods
// change them. It is not safe for concurrent use.
type Division struct {
	Limit   Limit     `json:"limit"`
	Holders []*Holder `json:"holders"` // In order of ID.
	Credit  int64     `json:"credit"`  // Tokens that a change may hand out anew, in parts of creditUnit; below 0: a debt.
	At      int64     `json:"at"`      // Until when Credit has grown.
	Next    int64     `json:"next"`    // ID of the next Holder.

	settings Settings
}

// debtPart is which part of the credit pays for what one Envoy let through before it was assigned anything.
const debtPart = 8

// creditUnit is how many parts of Credit a token has: a rate of one token in an hour yields one part in a millisecond.
const creditUnit = int64(Unit / time.Millisecond)

// New returns the division of a limit of which nobody holds anything.
func New(l Limit, s Settings, now time.Time) *Division {
	return &Division{Limit: l, Credit: l.Burst * creditUnit, At: now.UnixMilli(), settings: s}
}

// Unknown returns the division of a limit of which somebody may hold everything: it gives nothing away before that has expired.
func Unknown(l Limit, s Settings, now time.Time) *Division {
	d := New(l, s, now)
	d.Credit = 0
	d.Holders = []*Holder{{Now: Assignment(l), Given: true, Sent: now.UnixMilli(), Changed: now.UnixMilli(), Lost: true}}
	d.Next = 1
	return d
}

// Resume takes up a division as it was kept: several may look after one in turn, each for its own Holders.
func (d *Division) Resume(s Settings, now time.Time) {
	d.settings = s
	d.Holders = slices.DeleteFunc(d.Holders, func(h *Holder) bool { return h == nil })
	d.advance(now.UnixMilli())
}

// Holder returns the Holder of an ID, if there still is one of that owner.
func (d *Division) Holder(id int64, owner string) *Holder {
	for _, h := range d.Holders {
		if h.ID == id && h.Owner == owner {
			return h
		}
	}
	return nil
}

// lives is for how long an Assignment counts after it was given, in milliseconds.
func (d *Division) lives() int64 { return (d.settings.Life + d.settings.Margin).Milliseconds() }

// SetLimit divides another limit from now on.
func (d *Division) SetLimit(l Limit, now time.Time) {
	if d.Limit != l {
		d.advance(now.UnixMilli())
		d.Limit = l
		d.cap()
	}
}

// Join lets an Envoy take part, which its owner hears of, and returns its Holder. held tells that it had a bucket before: then it
// is taken for the holder of that node of which nobody hears any more, if there is exactly one. Of one node one process runs at
// a time.
func (d *Division) Join(node, owner string, held bool, now time.Time) *Holder {
	at := now.UnixMilli()
	d.advance(at)
	if h := d.silent(node, at); held && h != nil {
		h.Owner, h.Lost, h.Doubtful, h.Reported, h.Asked = owner, false, true, at, 0
		if h.Before != nil && h.Given { // Whether Now arrived is not known.
			d.doubt(h, at)
		}
		return h
	}
	h := &Holder{ID: d.Next, Node: node, Owner: owner, Reported: at}
	d.Next++
	d.Holders = append(d.Holders, h)
	return h
}

// silent returns the holder of a node of which nobody hears; nil where there are several of that node, of which one process may
// follow another: none can be told from the other.
func (d *Division) silent(node string, at int64) *Holder {
	var found *Holder
	for _, h := range d.Holders {
		if h.Node != node {
			continue
		}
		if found != nil || !h.Lost && at-h.Reported < d.settings.Interval.Milliseconds() {
			return nil
		}
		found = h
	}
	return found
}

// Lose says that nobody hears of a Holder any more. What it holds counts until it has expired.
func (d *Division) Lose(h *Holder, now time.Time) {
	d.advance(now.UnixMilli())
	h.Lost, h.Doubtful = true, true
	d.expire(now.UnixMilli())
}

// Report takes in how many requests a Holder has let through and refused since its report before.
func (d *Division) Report(h *Holder, allowed, denied int64, now time.Time) {
	at, margin := now.UnixMilli(), d.settings.Margin.Milliseconds()
	d.advance(at)
	h.Lost = false
	if !h.Given && h.Before == nil { // What was let through without an Assignment is paid for, as far as others do not suffer.
		d.Credit -= max(0, min(allowed*creditUnit, d.Credit/debtPart))
	}
	if h.Before != nil && at-h.Changed >= d.settings.Margin.Milliseconds() {
		h.Before = nil // Now has reached it, or it would not be heard of in the same stream.
	}
	if !h.Doubtful && at-h.Sent >= margin {
		h.Arrived = h.Sent
	}
	if h.Given && h.Before != nil && at-h.Changed >= margin {
		h.Before = nil // Now has reached it, or it would not be heard of in the same stream.
	}
	if last := h.last(); h.Given && at-last > d.settings.Life.Milliseconds()-margin {
		d.doubt(h, at)
	}
	h.Asked += min(allowed, MaxRate) + min(denied, MaxRate)
	if elapsed := at - h.Reported; elapsed >= time.Second.Milliseconds() {
		h.Demand, h.Known = min(min(h.Asked, MaxRate)*creditUnit/elapsed, 2*MaxRate), true
		h.Asked, h.Reported = 0, at
	}
	d.cap()
}

// doubt says that a holder may not have what it was given last any more, or not yet: it would begin with a full bucket if it were
// renewed.
func (d *Division) doubt(h *Holder, at int64) {
	h.Before, h.Given = &Lent{h.greatest(), h.Sent + d.lives()}, false
	h.Now, h.Changed = Assignment{}, at
}

// last returns when a holder was certainly given last what it has.
func (h *Holder) last() int64 {
	if h.Doubtful {
		return h.Arrived
	}
	return h.Sent
}

// Renew returns what a Holder has now, for another life. ok is false where it has nothing.
func (d *Division) Renew(h *Holder, now time.Time) (a Assignment, ok bool) {
	if h.Given {
		h.Sent, h.Doubtful = now.UnixMilli(), false
	}
	return h.Now, h.Given
}

// greatest is the most that may be in force at a holder.
func (h *Holder) greatest() Assignment {
	var a Assignment
	if h.Given {
		a = h.Now
	}
	if h.Before != nil {
		a = Assignment{max(a.Rate, h.Before.Rate), max(a.Burst, h.Before.Burst)}
	}
	return a
}

// Held returns the most that may be in force at all holders together.
func (d *Division) Held() Assignment {
	var sum Assignment
	for _, h := range d.Holders {
		a := h.greatest()
		sum.Rate, sum.Burst = sum.Rate+a.Rate, sum.Burst+a.Burst
	}
	return sum
}

// advance lets the credit grow until now by the rate that nobody was assigned, and then forgets what has expired.
func (d *Division) advance(at int64) {
	if elapsed := min(at-d.At, creditUnit); elapsed > 0 { // In an hour every bucket is full.
		d.Credit += max(0, d.Limit.Rate-d.Held().Rate) * elapsed
		d.At = at
	}
	d.expire(at)
}

func (d *Division) expire(at int64) {
	for _, h := range d.Holders {
		h.Lost = h.Lost || at-h.Reported >= d.settings.Life.Milliseconds()
		if h.Before != nil && at >= h.Before.Until {
			h.Before = nil
		}
		if h.Given && at >= h.Sent+d.lives() {
			h.Given, h.Now = false, Assignment{}
		}
	}
	d.Holders = slices.DeleteFunc(d.Holders, func(h *Holder) bool { return h.Lost && !h.Given && h.Before == nil })
	d.cap()
}

// cap bounds the credit: what holders have may be spent once more at any time.
func (d *Division) cap() { d.Credit = min(d.Credit, (d.Limit.Burst-d.Held().Burst)*creditUnit) }
