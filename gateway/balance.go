package gateway

import "time"

// Balance is how an Upstream's next endpoint is chosen.
type Balance string

// The ways to balance; they are Envoy's cluster lb_policy in our spelling.
const (
	RoundRobin   Balance = "round-robin"
	LeastRequest Balance = "least-request"
	Random       Balance = "random"
	RingHash     Balance = "ring-hash"
	Maglev       Balance = "maglev"
)

// Hashes reports whether equal requests go to the same endpoint: which are equal, a HashKey says.
func (b Balance) Hashes() bool { return b == RingHash || b == Maglev }

// Weighs reports whether a way to balance can let an endpoint that is new have less than its share at first.
func (b Balance) Weighs() bool { return b == RoundRobin || b == LeastRequest }

// HashSource is what a HashKey reads.
type HashSource string

// The sources of a HashKey.
const (
	HashHeader  HashSource = "header"
	HashCookie  HashSource = "cookie"
	HashQuery   HashSource = "query"
	HashAddress HashSource = "address" // The client's address, as the Gateway's trust determines it.
)

// HashKey says which requests are equal to a Balance that hashes.
type HashKey struct {
	Source HashSource
	Name   string `json:",omitempty"` // Of the header, cookie or query parameter.
	// TTL makes Envoy give a client that has no such cookie one that lives so long; 0: the cookie is the application's.
	TTL time.Duration `json:",omitempty"`
}

// String returns the key as documents spell it.
func (k HashKey) String() string {
	if k.Name == "" {
		return string(k.Source)
	}
	return string(k.Source) + "." + k.Name
}

// Balancing is what an Upstream says about its balance beside the way.
type Balancing struct {
	By *HashKey `json:",omitempty"` // Set exactly where the Balance hashes.
	// SlowStart is how long an endpoint that is new, or healthy again, takes to get its whole share; 0: it has it at once.
	SlowStart time.Duration `json:",omitempty"`
	// Panic is the share of healthy endpoints, in percent, below which health is ignored; nil: 50.
	Panic *float64 `json:",omitempty"`
	// OwnZone says that an Envoy sends to endpoints of its own zone as long as enough of these are healthy.
	OwnZone bool `json:",omitempty"`
}

// HashKey returns by what requests are told apart that go to one of several Upstreams, nil where none of these hashes.
func (r *Route) HashKey() *HashKey {
	for _, t := range r.Targets {
		if t.Upstream.Balancing.By != nil {
			return t.Upstream.Balancing.By
		}
	}
	return nil
}
