package ratelimit

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// maxCost bounds the cost of one request: as much as the largest limit.
const maxCost = maxLimit

// hits returns how many hits a descriptor stands for: its own hits_addend where it has one, 0 included, which only looks;
// otherwise the request's, where 0 means not set, and not set means 1. Below 0 where they are given back (rls.proto and
// common/ratelimit/v3/ratelimit.proto of Envoy 1.40).
func hits(req *rlsv3.RateLimitRequest, d *ratelimitcommonv3.RateLimitDescriptor) int64 {
	n := int64(max(req.GetHitsAddend(), 1))
	if own := d.GetHitsAddend(); own != nil {
		n = int64(min(own.GetValue(), math.MaxInt64)) //nolint:gosec // Cannot overflow after min.
	}
	if d.GetIsNegativeHits() {
		return -n
	}
	return n
}

// costOf returns what a number of hits costs. Where the cost is a number that Envoy found, the hits are that number.
func (l *limit) costOf(hits int64) int64 {
	if l.limitCost.From == "" {
		return times(hits, l.limitCost.Number)
	}
	if l.limitCost.Per < 2 {
		return max(min(hits, maxCost), -maxCost)
	}
	whole := hits / l.limitCost.Per
	if hits%l.limitCost.Per > 0 {
		whole++
	}
	return max(min(whole, maxCost), -maxCost)
}

// costOfText returns the cost that a text says, for as many requests as factor; 1 each and false where it is no number.
func (l *limit) costOfText(text string, factor int64) (cost int64, ok bool) {
	n, ok := number(text)
	if !ok {
		return times(1, factor), false
	}
	return times(l.costOf(n), factor), true
}

// number reads a number that is no less than 0, rounded up: digits, and at most one point among them.
func number(text string) (int64, bool) {
	text = strings.Trim(text, " \t")
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return int64(min(n, maxCost)), true //nolint:gosec // Cannot overflow after min.
	}
	digits := strings.Trim(text, "0123456789.")
	if digits != "" || text == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 1) {
		return 0, false
	}
	return int64(math.Ceil(min(f, maxCost))), true
}

// times multiplies, within maxCost.
func times(a, b int64) int64 {
	sign := int64(1)
	if a < 0 {
		a, sign = -a, -1
	}
	high, low := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0))) //nolint:gosec // None is below 0.
	if high > 0 || low > maxCost {
		return sign * maxCost
	}
	return sign * int64(low)
}
