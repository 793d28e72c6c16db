package gateway

// LimitHeaders is how clients are told how their limits stand.
type LimitHeaders string

// The ways to tell.
const (
	// LimitHeadersDraft is by RateLimit-Policy and RateLimit, as draft-ietf-httpapi-ratelimit-headers has it.
	LimitHeadersDraft LimitHeaders = ""
	// LimitHeadersOlder is by x-ratelimit-limit, -remaining and -reset, as Envoy writes them (draft-polli-ratelimit-headers-03).
	LimitHeadersOlder LimitHeaders = "x-ratelimit"
	LimitHeadersBoth  LimitHeaders = "both"
	LimitHeadersNone  LimitHeaders = "none" // Retry-After alone, where a limit refuses.
)

// LimitsAway returns what becomes of requests of the route while Gatehouse cannot be asked about its limits: the stricter of what the
// route and each of its limits says.
func (r *Route) LimitsAway() FailureMode {
	if r.WhenAway.Limits == Closed {
		return Closed
	}
	for _, l := range r.Limits {
		if l.StoreAway == StoreClosed {
			return Closed
		}
	}
	return Open
}

// MayGoUnasked reports whether requests of the route may go on although Gatehouse, which answers, could not ask for a limit.
func (r *Route) MayGoUnasked() bool {
	for _, l := range r.Limits {
		if l.StoreAway == StoreOpen {
			return true
		}
	}
	return r.WhenAway.Limits != Closed
}
