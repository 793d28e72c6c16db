package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// maxKeys bounds the bytes of keys that are kept for the next request.
const maxKeys = 16 << 10

// work is what one request needs on the way, used again by later ones.
type work struct {
	asked   []asked
	charges []Charge
	results []limiter.Result
	keys    []byte // The bytes of all charges' keys.
	text    []byte // A header that is being written.
	start   int    // Where the key begins that is being written.
	denied  bool   // Something else has refused the request already.
}

// asked is one limit that a request is charged for.
type asked struct {
	*limit
	first    int            // The first of its charges, one for each window.
	cost     int64          // Of each of them.
	done     bool           // The stream has ended: it spends, and refuses nothing.
	unpriced bool           // What was to be its cost is no number.
	away     bool           // The store could not be asked, and the request goes on without this limit.
	window   int            // The tightest of its windows, and
	result   limiter.Result // how that one stands.
}

// begin starts the charges of a limit: the values of its key are to be appended to w.keys, and then charge is to be called.
func (w *work) begin(l *limit) {
	w.asked = append(w.asked, asked{limit: l, first: len(w.charges)})
	w.start = len(w.keys)
	w.keys = append(w.keys, l.windows[0].prefix...)
}

// sealedBytes is the length of what stands for the values of a key in what Envoy is told.
const sealedBytes = 16

// seal puts a hash in place of the values of the key, where Envoy is to be told of the bucket: they may be secrets, and what Envoy is told
// stands in its access log.
func (w *work) seal(l *limit) {
	if !l.late {
		return
	}
	from := w.start + len(l.windows[0].prefix)
	sum := sha256.Sum256(w.keys[from:])
	w.keys = append(w.keys[:from], sum[:sealedBytes]...)
}

// bucket returns what Envoy is told of the bucket of a limit that is sealed.
func (w *work) bucket(a *asked) string {
	key := w.charges[a.first].Key
	return base64.StdEncoding.EncodeToString(key[len(key)-sealedBytes:])
}

// charge adds a charge for each window of the limit that has begun.
func (w *work) charge(cost int64) {
	a := &w.asked[len(w.asked)-1]
	a.cost = cost
	values, lease := len(a.windows[0].prefix), a.lease
	if a.done {
		lease = 0 // Nothing is borrowed for what was used already.
	}
	for i := range a.windows {
		own := &a.windows[i]
		if i > 0 {
			first := w.charges[a.first].Key
			w.start = len(w.keys)
			w.keys = append(append(w.keys, own.prefix...), first[values:]...)
		}
		// The full slice expression keeps a later append from writing into this key; where it moves, this one stays as it is.
		w.charges = append(w.charges, Charge{
			Key: w.keys[w.start:len(w.keys):len(w.keys)], Window: own.Window, Cost: cost,
			Shadow: a.mode == gateway.Shadow, Always: a.always, Lease: lease, Beyond: a.done && cost > 0,
		})
	}
}

// settle tells for each limit how the tightest of its windows stands: of those that refuse the one that refuses longest, otherwise the
// one of which least remains.
// It reports whether none of them refuses.
func (w *work) settle() (admitted bool) {
	admitted = true
	for i := range w.asked {
		a := &w.asked[i]
		if a.away {
			continue
		}
		a.window, a.result = 0, w.results[a.first]
		for n := 1; n < len(a.windows); n++ {
			if r := w.results[a.first+n]; tighter(r, a.result) {
				a.window, a.result = n, r
			}
		}
		admitted = admitted && !a.refuses()
	}
	return admitted
}

func tighter(a, b limiter.Result) bool {
	if a.OK != b.OK {
		return b.OK
	}
	if !a.OK {
		return a.Retry > b.Retry
	}
	return a.Remaining < b.Remaining
}

// refuses reports whether the limit refuses the request.
func (a *asked) refuses() bool { return !a.away && !a.result.OK && a.mode != gateway.Shadow }

// over reports whether the limit is in shadow mode and would have refused the request.
func (a *asked) over() bool { return !a.away && !a.result.OK && a.mode == gateway.Shadow }

// told reports whether clients are told how the limit stands.
func (a *asked) told() bool { return !a.away && !a.done && a.mode != gateway.Shadow }

// free makes every charge cost nothing.
func (w *work) free() {
	for i := range w.charges {
		w.charges[i].Cost = 0
	}
	for i := range w.asked {
		w.asked[i].cost = 0
	}
}

// count counts how the limits fared; admitted tells that none of them refused.
func (w *work) count(admitted bool, top *top) {
	for i := range w.asked {
		a := &w.asked[i]
		c := a.counter
		if a.away {
			if admitted {
				c.through.Add(1)
			}
			continue
		}
		switch spent := admitted && a.result.OK || a.always && a.result.OK || a.done; {
		case a.cost < 0:
			c.refunded.Add(uint64(-a.cost)) //nolint:gosec // Above 0.
		case spent:
			c.spent.Add(uint64(a.cost)) //nolint:gosec // At least 0.
		}
		switch {
		case a.refuses():
			c.refused.Add(1)
		case a.over():
			c.over.Add(1)
		case a.cost > 0 && a.result.Remaining <= a.windows[a.window].most/nearPart:
			c.near.Add(1)
		default:
			continue
		}
		top.note(a, w.charges[a.first+a.window].Key)
	}
}

func (w *work) emptied() *work {
	clear(w.charges) // They hold on to w.keys, and to what it was before it grew.
	clear(w.asked)
	w.asked, w.charges, w.results, w.keys, w.denied = w.asked[:0], w.charges[:0], w.results[:0], w.keys[:0], false
	if cap(w.keys) > maxKeys {
		w.keys = nil
	}
	return w
}
