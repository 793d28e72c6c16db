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

// costOf returns what a request costs where its cost is a number that was found.
func (l *limit) costOf(found int64) int64 {
	if l.limitCost.Per < 2 {
		return min(found, maxCost)
	}
	whole := found / l.limitCost.Per
	if found%l.limitCost.Per > 0 {
		whole++
	}
	return min(whole, maxCost)
}

// price returns what a request costs before the stream ends, given the text of what is to be the number; 1 and false where it is none.
func (l *limit) price(text string, there bool) (cost int64, ok bool) {
	switch {
	case l.limitCost.From == "":
		return l.limitCost.Number, true
	case l.deposit:
		return 1, true
	case l.late && !there: // Its body comes in pieces; or there is none.
		return 0, true
	}
	found, ok := number(text)
	if !ok {
		return 1, false
	}
	return l.costOf(found), true
}

// latePrice returns what is still to be spent when the stream ends.
func (l *limit) latePrice(text string) (cost int64, ok bool) {
	cost = 1
	found, ok := number(text)
	if ok {
		cost = l.costOf(found)
	}
	if l.deposit {
		cost--
	}
	return cost, ok
}

// number reads a decimal number that is no less than 0, rounded up.
func number(text string) (int64, bool) {
	text = strings.Trim(text, " \t")
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return int64(min(n, maxCost)), true //nolint:gosec // Cannot overflow after min.
	}
	if text == "" || text[0] != '.' && (text[0] < '0' || text[0] > '9') || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false // What Go would read beside: signs, hexadecimal numbers, NaN.
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 1) {
		return 0, false
	}
	return int64(math.Ceil(min(f, maxCost))), true
}

// times multiplies, within maxCost.
func times(a, b int64) int64 {
	if a < 0 {
		return -times(-max(a, -maxCost), b)
	}
	if b < 0 {
		return -times(a, -max(b, -maxCost))
	}
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high > 0 || low > maxCost {
		return maxCost
	}
	return int64(low)
}
