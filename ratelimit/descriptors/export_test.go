package descriptors

import (
	"strings"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// Found is a limit as a test sees it.
type Found struct {
	Limit                    *rlsv3.RateLimitResponse_RateLimit
	Unlimited, Shadow, Quota bool
	Detailed                 bool
	Replaces                 []string
	Series                   string   // Of its counters.
	Shared                   []string // What stands in a bucket's key for the value of each entry; empty: the value.
}

// Find returns what limits a descriptor; false: nothing.
func (c *Config) Find(domain string, d *ratelimitcommonv3.RateLimitDescriptor) (Found, bool) {
	root := c.domains[domain]
	if root == nil {
		return Found{}, false
	}
	l, steps := root.find(d.GetEntries(), nil)
	if l == nil {
		return Found{}, false
	}
	f := Found{
		Limit: l.told, Unlimited: l.unlimited, Shadow: l.shadow, Quota: l.quota, Detailed: l.detailed, Replaces: l.replaces,
		Series: l.series.String(), Shared: make([]string, len(d.GetEntries())),
	}
	for i, s := range steps {
		f.Shared[i] = s.rule.pattern
	}
	if l.detailed || names(steps) {
		f.Series = strings.ReplaceAll(string(appendSeries(nil, domain, d.GetEntries(), steps, l.detailed)), separator, ".")
	}
	return f, true
}

// Key returns the key of a bucket.
func Key(domain string, unit Unit, d *ratelimitcommonv3.RateLimitDescriptor) string {
	return string(appendKey(nil, domain, unit, d.GetEntries(), nil))
}
