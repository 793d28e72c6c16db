package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// limitMost is the largest limit that is told apart: sums of it stay exact in the script's numbers, which are below 2^53.
	limitMost = 1 << 48
	// perMost is the longest window that is told apart, in microseconds: 407 days.
	perMost = 1 << 45
	// chargesMost is how many charges one call has at most.
	chargesMost = 255
	// hashBytes is how much of a key's hash names its bucket.
	hashBytes = 16
)

// hash stands for a key. It is cryptographic, as keys hold what clients send: nobody can aim at another's bucket.
type hash [hashBytes]byte

func hashOf(key []byte) hash {
	sum := sha256.Sum256(key)
	return hash(sum[:])
}

// States of a call.
const (
	waiting uint32 = iota
	answered
	abandoned // Nobody waits for the answer: what the caller handed in is its own again.
)

// call is one call of Spend on its way: what the script is told of it, and where the answer goes.
type call struct {
	keys     []byte // The names of its buckets, one after the other, then that by which it is remembered.
	ends     []int  // Where each of them ends.
	args     []byte
	more     []int64 // What is borrowed beyond each cost, once answered.
	results  []limiter.Result
	deadline time.Duration // By the store's own time.
	state    atomic.Uint32
	done     chan struct{} // Told once, when state is no longer waiting.

	ok, again bool
	err       error
}

// tell writes what the script is to know of a call.
func (c *call) tell(namespace string, a *asked, calendars *borders, now time.Duration) {
	c.keys, c.ends, c.args = c.keys[:0], c.ends[:0], c.args[:0]
	remember := byte(0)
	if a.once {
		remember = 1
	}
	c.args = append(c.args, remember, byte(len(a.charges))) //nolint:gosec // At most chargesMost.
	for i := range a.charges {
		c.name(namespace, 'b', a.hashes[i][:])
		more := int64(0)
		if a.borrow != nil {
			more = a.borrow[i]
		}
		c.args = appendCharge(c.args, &a.charges[i], more, calendars, now)
	}
	if a.once {
		c.name(namespace, 'c', a.id[:])
	}
}

// reset lets go of what belongs to a caller.
func (c *call) reset() {
	c.results, c.more, c.err, c.ok, c.again = nil, nil, nil, false, false
	c.state.Store(waiting)
}

// name adds a key.
func (c *call) name(namespace string, kind byte, id []byte) {
	c.keys = append(c.keys, namespace...)
	c.keys = append(c.keys, kind, ':')
	c.keys = base64.RawURLEncoding.AppendEncode(c.keys, id)
	c.ends = append(c.ends, len(c.keys))
}

// appendCharge writes a charge as the script reads it, by struct's '<BBddddd': kind, flags, limit, per, what is admitted at once, cost
// and what may be borrowed; the beginnings of a quota's periods follow.
func appendCharge(to []byte, c *ratelimit.Charge, more int64, calendars *borders, now time.Duration) []byte {
	flags := byte(0)
	for flag, set := range [...]bool{c.Shadow, c.Always, c.Grant, c.Beyond} {
		if set {
			flags |= 1 << flag
		}
	}
	limit, most := min(max(c.Window.Limit, 0), limitMost), min(max(c.Window.Most(), 0), limitMost)
	// More than everything is refused whatever it is, and what is refused is not spent.
	cost := max(min(c.Cost, limitMost+1), -limitMost)
	to = append(to, byte(c.Window.Kind), flags)
	for _, n := range [...]int64{limit, micro(c.Window.Per), most, cost, min(max(more, 0), limitMost)} {
		to = appendNumber(to, n)
	}
	if c.Window.Kind == limiter.Quota {
		to = calendars.appendTo(to, c.Window.Calendar, now)
	}
	return to
}

func appendNumber(to []byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(to, math.Float64bits(float64(n)))
}

// micro returns a duration in microseconds, rounded up: never late.
func micro(d time.Duration) int64 {
	n := int64(d / time.Microsecond)
	if d%time.Microsecond > 0 {
		n++
	}
	return min(n, perMost)
}

// key returns the name of a bucket.
func bucketKey(namespace string, h hash) string {
	return namespace + "b:" + base64.RawURLEncoding.EncodeToString(h[:])
}

// appendKeys appends the call's keys to a list. They are its own bytes: it is not used again before the list has gone.
func (c *call) appendKeys(to []string) []string {
	start := 0
	for _, end := range c.ends {
		to = append(to, rueidis.BinaryString(c.keys[start:end]))
		start = end
	}
	return to
}

// Bytes of an answer: of a call, and of each of its charges.
const (
	answerCall   = 1
	answerCharge = 1 + 4*8
)

// What the script says of a call, in bits.
const (
	saysAdmitted = 1 << iota
	saysAgain
	saysBroken // Under one of its keys is something else.
)

var (
	errAnswer = errors.New("the script answers something else")
	errBroken = errors.New("a key of the limits holds something that Gatehouse did not put there")
)

// read fills in the results of a call from an answer and returns the rest of it.
func (c *call) read(answer string) (rest string, err error) {
	if len(answer) < answerCall {
		return "", errAnswer
	}
	says := answer[0]
	answer = answer[answerCall:]
	if says&saysBroken != 0 {
		c.err = errBroken
		return answer, nil
	}
	c.ok, c.again = says&saysAdmitted != 0, says&saysAgain != 0
	if len(answer) < answerCharge*len(c.results) {
		return "", errAnswer
	}
	for i := range c.results {
		a := answer[answerCharge*i : answerCharge*(i+1)]
		c.results[i] = limiter.Result{
			OK: a[0] == 1, Remaining: number(a[1:]), Reset: duration(a[9:]), Retry: duration(a[17:]),
		}
		if i < len(c.more) {
			c.more[i] = number(a[25:])
		}
	}
	return answer[answerCharge*len(c.results):], nil
}

// skip returns what follows a call's answer that nobody waits for any more.
func (c *call) skip(answer string, charges int) (rest string, err error) {
	n := answerCall
	if len(answer) >= n && answer[0]&saysBroken == 0 {
		n += answerCharge * charges
	}
	if len(answer) < n {
		return "", errAnswer
	}
	return answer[n:], nil
}

// duration reads a number of microseconds. A bucket whose limit was lowered by far may drain for longer than a duration holds.
func duration(text string) time.Duration {
	return time.Duration(min(number(text), math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}

// number reads a double of the script's.
func number(text string) int64 {
	var b [8]byte
	copy(b[:], text)
	return int64(math.Float64frombits(binary.LittleEndian.Uint64(b[:])))
}
