package descriptors

import (
	"strings"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// Unit is the length of a limit's window, by the names and numbers of Envoy's protocol.
type Unit = rlsv3.RateLimitResponse_RateLimit_Unit

// unitNamed returns the unit of a name, in upper or lower case.
func unitNamed(name string) (Unit, bool) {
	n, ok := rlsv3.RateLimitResponse_RateLimit_Unit_value[strings.ToUpper(name)]
	return Unit(n), ok && Unit(n) != rlsv3.RateLimitResponse_RateLimit_UNKNOWN
}

// unitNames lists the units there are, for messages.
const unitNames = "second, minute, hour, day, week, month or year"

// length returns how long a unit is; 0 for what is none. Months have 30 days and years 365, as in envoyproxy/ratelimit.
func length(u Unit) time.Duration {
	const day = 24 * time.Hour
	switch u {
	case rlsv3.RateLimitResponse_RateLimit_SECOND:
		return time.Second
	case rlsv3.RateLimitResponse_RateLimit_MINUTE:
		return time.Minute
	case rlsv3.RateLimitResponse_RateLimit_HOUR:
		return time.Hour
	case rlsv3.RateLimitResponse_RateLimit_DAY:
		return day
	case rlsv3.RateLimitResponse_RateLimit_WEEK:
		return 7 * day
	case rlsv3.RateLimitResponse_RateLimit_MONTH:
		return 30 * day
	case rlsv3.RateLimitResponse_RateLimit_YEAR:
		return 365 * day
	}
	return 0
}
