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
