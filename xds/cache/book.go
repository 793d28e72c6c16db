package cache

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// keptVerdicts is how many refused contents the book holds; beyond it the one that was refused longest ago is forgotten.
	keptVerdicts = 1000
	// keptRefusers is how many nodes it names for each.
	keptRefusers = 100
)

// Verdict is one content that nodes of one fleet and one Envoy version refused alone, so that there is no doubt which it was.
type Verdict struct {
	Type    string // type URL
	Name    string
	Version string // content hash; "" for a removal
	Origin  string // file:line of the document; "" for a removal
	Text    string // Envoy's words, as in Refusal
	Fleet   string
	Envoy   string    // version
	Nodes   []string  // who refused it, sorted; at most 100
	Time    time.Time // of the last refusal
	// Acknowledged tells whether any node of that Envoy version has it, or had accepted it since it was refused.
	Acknowledged bool
	Blame        Blame
}

// charge is a content for one Envoy version.
type charge struct {
	envoy   string
	kind    kind
	name    string
	version string
}

// entry is what is known of a charge.
type entry struct {
	refusers     map[identity]time.Time
	acknowledged bool
	origin, text string
	last         time.Time
}

// book is what nodes have refused for certain, over all fleets and beyond their streams. It is bounded, and safe for use by
// many goroutines.
type book struct {
	mu      sync.Mutex
	entries map[charge]*entry // by mu
	count   atomic.Int64      // of entries
	barred  atomic.Pointer[map[charge]bool]
}

func newBook() *book {
	b := &book{entries: map[charge]*entry{}}
	b.barred.Store(&map[charge]bool{})
	return b
}

// refused notes that a node refused a content alone.
func (b *book) refused(c charge, by identity, r *Resource, text string, now time.Time, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[c]
	if e == nil {
		b.makeRoom()
		e = &entry{refusers: map[identity]time.Time{}}
		b.entries[c] = e
	}
	if r != nil {
		e.origin = r.Origin
	}
	e.text, e.last, e.acknowledged = text, now, e.acknowledged || acknowledged
	if _, known := e.refusers[by]; known || len(e.refusers) < keptRefusers {
		e.refusers[by] = now
	}
	b.settle()
}

// makeRoom forgets the content that was refused longest ago where there are too many. The caller holds the lock.
func (b *book) makeRoom() {
	if len(b.entries) < keptVerdicts {
		return
	}
	var oldest charge
	var last time.Time
	for c, e := range b.entries {
		if last.IsZero() || e.last.Before(last) {
			oldest, last = c, e.last
		}
	}
	delete(b.entries, oldest)
}

// settle derives what is read without the lock. The caller holds it.
func (b *book) settle() {
	barred := map[charge]bool{}
	for c, e := range b.entries {
		if len(e.refusers) > 1 && !e.acknowledged {
			barred[c] = true
		}
	}
	b.barred.Store(&barred)
	b.count.Store(int64(len(b.entries)))
}

// bars tells whether a content is not to be offered to nodes of an Envoy version: two have refused it, and none has it.
func (b *book) bars(c charge) bool { return (*b.barred.Load())[c] }

// accepted notes what a node accepted.
func (b *book) accepted(envoy string, k kind, contents map[string]*Resource) {
	if b.count.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, r := range contents {
		if e := b.entries[charge{envoy, k, name, versionOf(r)}]; e != nil && !e.acknowledged {
			e.acknowledged = true
			b.settle()
		}
	}
}

// forget drops what a node refused, so that it is tried again.
func (b *book) forget(id identity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, e := range b.entries {
		if delete(e.refusers, id); len(e.refusers) == 0 {
			delete(b.entries, c)
		}
	}
	b.settle()
}

// expire drops what was last refused before a time.
func (b *book) expire(before time.Time) {
	if b.count.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.entries, func(_ charge, e *entry) bool { return e.last.Before(before) })
	b.settle()
}

// open returns the charges of which no acknowledgement is known.
func (b *book) open() []charge {
	if b.count.Load() == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []charge
	for c, e := range b.entries {
		if !e.acknowledged {
			all = append(all, c)
		}
	}
	return all
}

// verdicts returns what is in the book, one for each content and fleet. nodes tells how many of a fleet and an Envoy version are connected.
func (b *book) verdicts(nodes map[crew]int) []Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Verdict
	for c, e := range b.entries {
		fleets := map[string]*Verdict{}
		for id, last := range e.refusers {
			v := fleets[id.fleet]
			if v == nil {
				v = &Verdict{
					Type: c.kind.url(), Name: c.name, Version: c.version, Origin: e.origin, Text: e.text,
					Fleet: id.fleet, Envoy: c.envoy, Acknowledged: e.acknowledged,
				}
				fleets[id.fleet] = v
			}
			v.Nodes = append(v.Nodes, id.name)
			if last.After(v.Time) {
				v.Time = last
			}
		}
		for _, v := range fleets {
			slices.Sort(v.Nodes)
			v.Blame = blame(len(e.refusers), nodes[crew{v.Fleet, v.Envoy}], e.acknowledged)
			all = append(all, *v)
		}
	}
	slices.SortFunc(all, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Envoy, b.Envoy))
	})
	return all
}

// blames returns whose fault the refusals of some contents by nodes of an Envoy version are; open where the book does not know them.
func (b *book) blames(fleet, envoy string, contents []charge, nodes map[crew]int) []Blame {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Blame, 0, len(contents))
	for _, c := range contents {
		e := b.entries[c]
		if e == nil {
			all = append(all, BlameOpen)
			continue
		}
		all = append(all, blame(len(e.refusers), nodes[crew{fleet, envoy}], e.acknowledged))
	}
	return all
}
