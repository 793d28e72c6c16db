package analytics

import (
	"maps"

	"github.com/gatehouse/gatehouse/gateway"
)

// Values of a dimension that are no name.
const (
	// Other stands for names that are in none of the last tables, and for what was folded together. An object that is
	// really called so is counted with them.
	Other = "other"
	// None stands for the identity of requests that had no route, such as a 404 for an unknown host.
	None = "none"
)

// history is how many tables back a name is still known: the access log of a request may arrive long after the revision
// under which it ran was replaced, and a node may still run an old one.
const history = 50

// operation names what a request was for. Its fields are also the labels in /metrics.
type operation struct {
	api, version, id string
}

// Table holds the names that the live revision and those before it gave to their routes. It never changes.
type Table struct {
	generation uint64
	operations map[operation]uint64 // The generation that had it last. Includes {api, version, Other} and {api, Other, Other}.
	rules      map[string]ruled
}

// ruled is what the access log needs to know about the rules of a route.
type ruled struct {
	generation uint64
	limited    bool // All requests of the route wait for a rate limit call.
	spends     bool // Their Check spends the limits.
}

// Compile returns the table for a revision, which remembers the names of the 49 tables before it (prev and those from
// which prev was compiled). Where the revision has the names of prev, prev itself is returned. Both arguments may be nil.
// There are no faults that only the access log can find.
func Compile(rev *gateway.Revision, prev *Table) (*Table, []gateway.Fault) {
	if prev == nil {
		prev = &Table{}
	}
	t := &Table{generation: prev.generation + 1, operations: make(map[operation]uint64, len(prev.operations)), rules: make(map[string]ruled, len(prev.rules))}
	if rev != nil {
		for _, r := range rev.Routes {
			t.add(r)
		}
	}
	if t.same(prev) {
		return prev, nil
	}
	t.remember(prev)
	return t, nil
}

func (t *Table) add(r *gateway.Route) {
	t.operations[operation{r.API, r.Version, r.Operation}] = t.generation
	t.operations[operation{r.API, r.Version, Other}] = t.generation
	t.operations[operation{r.API, Other, Other}] = t.generation
	t.rules[r.Rules] = ruled{generation: t.generation, limited: r.CallsLimits() && r.AlwaysCounts(), spends: r.CheckSpends()}
}

// same reports whether prev's newest generation has exactly the names of t. A rules hash covers the names of its route, so
// comparing the hashes suffices.
func (t *Table) same(prev *Table) bool {
	newest := 0
	for _, r := range prev.rules {
		if r.generation == prev.generation {
			newest++
		}
	}
	if newest != len(t.rules) {
		return false
	}
	for hash := range t.rules {
		if r, ok := prev.rules[hash]; !ok || r.generation != prev.generation {
			return false
		}
	}
	return true
}

// remember adds the names of prev that are not too old.
func (t *Table) remember(prev *Table) {
	current := t.operations
	t.operations = maps.Clone(prev.operations)
	if t.operations == nil {
		t.operations = make(map[operation]uint64, len(current))
	}
	maps.Copy(t.operations, current)
	maps.DeleteFunc(t.operations, func(_ operation, last uint64) bool { return last+history <= t.generation })
	for hash, r := range prev.rules {
		if _, ok := t.rules[hash]; !ok && r.generation+history > t.generation {
			t.rules[hash] = r
		}
	}
}

// operation returns what a record is counted under: names that exist, else Other; None without a route.
func (t *Table) operation(r *Record) operation {
	if !r.routed() {
		return operation{None, None, None}
	}
	for _, o := range [...]operation{
		{r.API, r.Version, r.Operation}, {r.API, r.Version, Other}, {r.API, Other, Other},
	} {
		if _, ok := t.operations[o]; ok {
			return o
		}
	}
	return operation{Other, Other, Other}
}

// rulesOf returns the rules a record is counted under.
func (t *Table) rulesOf(r *Record) string {
	if r.Rules == "" {
		return None
	}
	if _, ok := t.rules[r.Rules]; ok {
		return r.Rules
	}
	return Other
}
