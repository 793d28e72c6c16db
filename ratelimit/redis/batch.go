package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// limitMost is the largest limit that is told apart: sums of it stay exact in the script's numbers, which are below 2^53.
	limitMost = 1 << 48
	// keyBytes is how much of a key's hash names its bucket.
	keyBytes = 16
	// head and perCharge are how many numbers the script answers with, before and for each charge.
	head, perCharge = 2, 4
)

// batch is what the script is told of one call.
type batch struct{ keys, args []string }

// newBatch returns the batch of some charges. The key of a bucket is hashed: it holds what clients send, of any length.
func newBatch(namespace string, now string, keep, remembered time.Duration, charges []ratelimit.Charge) batch {
	b := batch{
		keys: make([]string, 0, len(charges)+1),
		args: append(make([]string, 0, 3+5*len(charges)), now, milliseconds(keep), milliseconds(remembered)),
	}
	var places [8]int
	place := places[:0]
	for i := range charges {
		c := &charges[i]
		key, at := bucketKey(namespace, c.Key), 0
		for at < len(b.keys) && b.keys[at] != key {
			at++
		}
		if at == len(b.keys) {
			b.keys = append(b.keys, key)
		}
		limit := min(max(c.Window.Limit, 0), limitMost)
		cost, asked := max(c.Cost, 0), max(c.Cost, 0)
		for j := range place {
			if place[j] == at {
				asked += min(max(charges[j].Cost, 0), math.MaxInt64-asked)
			}
		}
		place = append(place, at)
		// More than the limit is refused whatever it is, and what is refused is not spent.
		b.args = append(b.args, strconv.Itoa(at+1), number(limit), number(micro(c.Window.Per)), number(min(cost, limit+1)), number(min(asked, limit+1)))
	}
	return b
}

// call adds the key by which a call is remembered.
func (b batch) call(namespace string, id ratelimit.CallID) batch {
	b.keys = append(b.keys, namespace+"c:"+base64.RawURLEncoding.EncodeToString(id[:]))
	return b
}

func bucketKey(namespace string, key []byte) string {
	sum := sha256.Sum256(key)
	return namespace + "b:" + base64.RawURLEncoding.EncodeToString(sum[:keyBytes])
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func milliseconds(d time.Duration) string { return number(d.Milliseconds()) }

// micro returns a duration in microseconds, rounded up: never late.
func micro(d time.Duration) int64 {
	n := int64(d / time.Microsecond)
	if d%time.Microsecond > 0 {
		n++
	}
	return n
}

// read fills in results from what the script answered, and says whether all was admitted, and whether the call had
// spent before.
func read(answer rueidis.RedisResult, results []limiter.Result) (ok, again bool, err error) {
	numbers, err := answer.AsIntSlice()
	if err != nil {
		return false, false, err
	}
	if len(numbers) != head+perCharge*len(results) {
		return false, false, errors.New("the script answers something else")
	}
	for i := range results {
		r := numbers[head+perCharge*i:]
		results[i] = limiter.Result{
			OK: r[0] == 1, Remaining: r[1], Reset: time.Duration(r[2]) * time.Microsecond, Retry: time.Duration(r[3]) * time.Microsecond,
		}
	}
	return numbers[1] == 1, numbers[0] == 1, nil
}
