package ratelimit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// Headers by which clients are told how their limits stand.
const (
	headerPolicy   = "ratelimit-policy" // draft-ietf-httpapi-ratelimit-headers 3.
	headerStanding = "ratelimit"        // The same, 4.
	headerRetry    = "retry-after"      // In seconds (RFC 9110 10.2.3).
)

const day = 24 * time.Hour

// policyName returns the name by which clients know a window, as a String (RFC 9651 3.3.3): the limit's, and which of its windows
// where it has several.
func policyName(l gateway.Limit, w gateway.Window) string {
	name := l.Name
	if len(l.Windows) > 1 {
		name += "/" + windowName(w)
	}
	return quoted(name)
}

func windowName(w gateway.Window) string {
	name := string(w.Every)
	if name == "" {
		name = strconv.FormatInt(seconds(w.Per), 10) + "s"
	}
	if w.Arithmetic != gateway.Sliding && w.Arithmetic != gateway.Quota {
		name += "-" + string(w.Arithmetic)
	}
	return name
}

// quoted returns a text as a String, which holds printable ASCII alone; a question mark stands for any other character.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r < ' ' || r > '~':
			r = '?'
		case r == '"' || r == '\\':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// policyItem returns a window as an item of RateLimit-Policy: what is let through, in how many seconds where that is always the same, and
// in which unit where not in requests. A burst is told under a name of our own, as the draft has none for it.
func policyItem(name string, l gateway.Limit, w gateway.Window) string {
	item := name + ";q=" + strconv.FormatInt(w.Limit, 10)
	if (l.Cost.From == "body.size" || l.Cost.From == "response.size") && l.Cost.Per < 2 {
		item += `;qu="content-bytes"`
	}
	if w.Every != gateway.Monthly {
		item += ";w=" + strconv.FormatInt(seconds(lengthOf(w)), 10)
	}
	if w.Burst > 0 {
		item += ";gatehouse-burst=" + strconv.FormatInt(w.Burst, 10)
	}
	return item
}

// lengthOf returns the length of a window; a month is taken to have 30 days, as Envoy does.
func lengthOf(w gateway.Window) time.Duration {
	switch w.Every {
	case gateway.Daily:
		return day
	case gateway.Weekly:
		return 7 * day
	case gateway.Monthly:
		return 30 * day
	}
	return w.Per
}

// xPolicy returns a window as Envoy lists it in x-ratelimit-limit (draft-polli-ratelimit-headers-03).
func xPolicy(l gateway.Limit, w gateway.Window) string {
	return fmt.Sprintf(`, %d;w=%d;name="%s"`, narrow(w.Limit), seconds(lengthOf(w)), l.Name)
}

// all reports whether all limits of a route were asked, and none else.
func (w *work) all() bool {
	of := w.asked[0].route
	if len(w.asked) != len(of.limits) {
		return false
	}
	for i := range w.asked {
		if a := &w.asked[i]; a.limit != of.limits[i] || a.away || a.done {
			return false
		}
	}
	return true
}

// policies returns RateLimit-Policy for the limits that were asked; empty where clients are told of none.
func (w *work) policies() string {
	if w.all() {
		return w.asked[0].route.policy
	}
	var only string
	for i := range w.asked {
		switch a := &w.asked[i]; {
		case !a.told():
		case only == "":
			only = a.policy
		default:
			only += ", " + a.policy
		}
	}
	return only
}

// policyHeader returns the same as a header of an answer, nil where clients are told of none.
func (w *work) policyHeader() *corev3.HeaderValue {
	if a := &w.asked[0]; len(w.asked) == 1 && a.told() {
		return a.policyHeader
	}
	if w.all() {
		return w.asked[0].route.policyHeader
	}
	return newPolicyHeader(w.policies())
}

// newPolicyHeader returns a header that answers share, nil for an empty one.
func newPolicyHeader(policy string) *corev3.HeaderValue {
	if policy == "" {
		return nil
	}
	return &corev3.HeaderValue{Key: headerPolicy, Value: policy}
}

// standing returns RateLimit: for each limit that was asked how the tightest of its windows stands. Empty where clients are told of none.
func (w *work) standing() string {
	w.text = w.appendStanding(w.text[:0])
	return string(w.text)
}

func (w *work) appendStanding(text []byte) []byte {
	for i := range w.asked {
		a := &w.asked[i]
		if !a.told() {
			continue
		}
		if len(text) > 0 {
			text = append(text, ", "...)
		}
		text = append(text, a.windows[a.window].item...)
		text = strconv.AppendInt(text, a.result.Remaining, 10)
		text = append(text, ";t="...)
		text = strconv.AppendInt(text, seconds(a.result.Reset), 10)
	}
	return text
}

// least returns the limit of which least remains, the first of several, and what Envoy writes of all in x-ratelimit-limit; nil where
// clients are told of none.
func (w *work) least() (least *asked, list string) {
	text := w.text[:0]
	for i := range w.asked {
		a := &w.asked[i]
		if !a.told() {
			continue
		}
		if least == nil || narrow(a.result.Remaining) < narrow(least.result.Remaining) {
			least = a
		}
		text = append(text, a.windows[a.window].told...)
	}
	w.text = text
	if least == nil {
		return nil, ""
	}
	return least, strconv.FormatInt(int64(narrow(least.windows[least.window].Limit)), 10) + string(text)
}

// retry returns how long to wait until every limit that refuses would admit the same, in seconds, rounded up.
func (w *work) retry() string {
	var longest time.Duration
	for i := range w.asked {
		if a := &w.asked[i]; a.refuses() {
			longest = max(longest, a.result.Retry)
		}
	}
	return strconv.FormatInt(seconds(longest), 10)
}

// seconds rounds up to whole seconds: Envoy cuts off fractions for x-ratelimit-reset, and a client must not be told to come too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// narrow returns a number in Envoy's 32 bits.
func narrow(n int64) uint32 { return uint32(max(0, min(n, math.MaxUint32))) } //nolint:gosec // Fits after min.

// answerLimit says a window in Envoy's words: a number of requests, and a number of the largest unit that gives the window
// exactly, or of seconds, rounded up.
func answerLimit(name string, w gateway.Window) *rlsv3.RateLimitResponse_RateLimit {
	l := &rlsv3.RateLimitResponse_RateLimit{Name: name, RequestsPerUnit: narrow(w.Limit)}
	switch w.Every {
	case gateway.Weekly:
		l.Unit = rlsv3.RateLimitResponse_RateLimit_WEEK
		return l
	case gateway.Monthly:
		l.Unit = rlsv3.RateLimitResponse_RateLimit_MONTH
		return l
	case gateway.Daily:
	}
	l.Unit, l.UnitMultiplier = unitOf(lengthOf(w))
	return l
}
