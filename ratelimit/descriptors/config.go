package descriptors

import (
	"fmt"
	"strings"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// Config is the rules of all domains, ready to be asked. It is immutable once a Service uses it, which alone may.
type Config struct {
	domains map[string]*rule
	limits  []*limit // All, as they are written.
	rules   int
	notes   gateway.Faults
}

// limit is what a rule allows.
type limit struct {
	told      *rlsv3.RateLimitResponse_RateLimit // As it is answered.
	requests  int64
	unlimited bool
	shadow    bool
	quota     bool
	detailed  bool
	replaces  []string
	series    Series   // Of its counters, where no value of a request is in it.
	counter   *counter // Since Service.Use.
}

// rule is a descriptor of a file, or a domain, with the rules for the entry after it.
type rule struct {
	next      map[pair]*rule
	wildcards []wildcard // In the order of the file.
	limit     *limit     // nil: none.
	label     string     // Its key, and its value with or without "*".
	pattern   string     // In the place of the value, where all values count together: with its "*".
	named     bool       // value_to_metric.
}

// pair is the key and value by which a rule is found; the value is empty where any is meant.
type pair struct{ key, value string }

// wildcard is a rule for all that begins alike: values of a key, or keys.
type wildcard struct {
	key    string // Empty: keys are meant.
	prefix string
	rule   *rule
}

func (w *wildcard) matches(key, value string) bool {
	if w.key == "" {
		return strings.HasPrefix(key, w.prefix)
	}
	return w.key == key && strings.HasPrefix(value, w.prefix)
}

// LoadOptions say how files are taken together.
type LoadOptions struct {
	Merge bool // Several files may have rules of one domain; else that is a fault.
}

// Load compiles files to a Config. A single fault refuses them all. What envoyproxy/ratelimit refuses is a fault; what it ignores in
// silence is told by Config.Notes.
func Load(files []File, o LoadOptions) (*Config, gateway.Faults) {
	b := &builder{options: o, config: &Config{domains: map[string]*rule{}}, places: map[string]gateway.Place{}}
	var faults gateway.Faults
	for _, f := range files {
		doc, wrong, notes := decode(f)
		b.config.notes = append(b.config.notes, notes...)
		if faults = append(faults, wrong...); len(wrong) == 0 { // What a broken file says is not to be judged.
			b.document(doc)
		}
	}
	if faults = append(faults, b.faults...); len(faults) > 0 {
		return nil, faults.Sort()
	}
	return b.config, nil
}

// Notes tells what has no effect, or not that which was meant, in the order of the files.
func (c *Config) Notes() gateway.Faults { return c.notes }

// Domains returns how many domains there are.
func (c *Config) Domains() int { return len(c.domains) }

// Rules returns how many rules there are, in all domains and on all levels.
func (c *Config) Rules() int { return c.rules }

// String lists all limits, one to a line, as envoyproxy/ratelimit does under /rlconfig.
func (c *Config) String() string {
	var b strings.Builder
	for _, l := range c.limits {
		fmt.Fprintf(&b, "%s: unit=%s requests_per_unit=%d, shadow_mode: %t, quota_mode: %t", l.series, l.told.GetUnit(), l.requests, l.shadow, l.quota)
		if l.unlimited {
			b.WriteString(", unlimited: true")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
