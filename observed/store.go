package observed

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// Kinds under which a Store keeps what is observed.
const (
	KindEndpoints = "endpoints"
	KindKeySet    = "keyset"
)

// keepEvery bounds how often what was learnt is written, and storeTimeout one call of the store.
const (
	keepEvery    = 2 * time.Second
	storeTimeout = 5 * time.Second
)

// ErrConflict tells that somebody else has changed what was to be changed.
var ErrConflict = errors.New("changed by somebody else meanwhile")

// Stored is one value in a Store.
type Stored struct {
	Value   []byte // JSON of this package.
	Version int64  // Counts up with each change; 0: there is none.
	Author  string
	Changed time.Time
}

// Store keeps what must outlive the process: pushed endpoints, and the last good answers of everything else.
type Store interface {
	// Get returns a value, of version 0 where there is none.
	Get(ctx context.Context, kind, name string) (Stored, error)
	// Put replaces a value whose version is still the one given (0: there is none), or returns ErrConflict. It returns what is
	// stored when that is on the disk.
	Put(ctx context.Context, kind, name string, version int64, value []byte, author string) (Stored, error)
}

// keptSet is a set of endpoints in the store.
type keptSet struct {
	Source    Source             `json:"source"`
	Endpoints []gateway.Endpoint `json:"endpoints"`
}

// memory is what a store has of some Upstreams and Issuers.
type memory struct {
	sets map[string]*set
	keys map[string][]byte
}

func (m memory) set(name string) *set {
	if s := m.sets[name]; s != nil {
		return s
	}
	return &set{}
}

// recall reads what the store has of those that are not known yet. What cannot be read is logged and taken for nothing.
func (o *Observer) recall(upstreams map[string]*gateway.Upstream, issuers map[string]*gateway.Issuer) memory {
	out := memory{sets: map[string]*set{}, keys: map[string][]byte{}}
	if o.options.Store == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(o.running, storeTimeout)
	defer cancel()
	for name, u := range upstreams {
		if !u.Observed() || o.hasSet(name, sourceOf(u) == Pushed) {
			continue
		}
		if s := o.recallSet(ctx, name); s != nil {
			out.sets[name] = s
		}
	}
	for name, i := range issuers {
		if o.hasKeys(i) {
			continue
		}
		if stored, ok := o.stored(ctx, KindKeySet, keptAs(i)); ok && len(stored.Value) > 0 {
			out.keys[name] = stored.Value
		}
	}
	return out
}

// hasSet reports whether more is known of an Upstream than the store has: what was pushed before its document said so is only
// in the store.
func (o *Observer) hasSet(name string, pushed bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[name]
	return s != nil && (!pushed || sourceOf(s.upstream) == Pushed)
}

// hasKeys reports whether the keys of an Issuer are watched already.
func (o *Observer) hasKeys(i *gateway.Issuer) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys[i.Name]
	return k != nil && !k.otherThan(i)
}

func (o *Observer) recallSet(ctx context.Context, name string) *set {
	stored, ok := o.stored(ctx, KindEndpoints, name)
	if !ok {
		return nil
	}
	var kept keptSet
	if err := json.Unmarshal(stored.Value, &kept); err != nil {
		o.options.Log.Error("stored endpoints cannot be read", "upstream", name, "error", err)
		return nil
	}
	return &set{
		served: gateway.CanonicalEndpoints(kept.Endpoints), version: stored.Version, author: stored.Author, since: stored.Changed,
		recalled: stored.Version,
	}
}

func (o *Observer) stored(ctx context.Context, kind, name string) (Stored, bool) {
	stored, err := o.options.Store.Get(ctx, kind, name)
	if err != nil {
		o.options.Log.Error("the store cannot be asked for what was observed", "kind", kind, "name", name, "error", err)
	}
	return stored, err == nil && stored.Version > 0
}

// save has what was learnt written soon. It never waits.
func (o *Observer) save() {
	select {
	case o.dirty <- struct{}{}:
	default: // It is to be written already.
	}
}

// keep writes what was learnt, some changes at once, until the observer stops; then once more.
func (o *Observer) keep() {
	for {
		select {
		case <-o.running.Done():
			o.write()
			return
		case <-o.dirty:
			o.write()
		}
		select {
		case <-o.running.Done():
		case <-o.options.After(keepEvery):
		}
	}
}

// write writes what differs from what was written last. Pushes are written where they are made.
func (o *Observer) write() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.running), storeTimeout)
	defer cancel()
	type row struct {
		kind, name string
		value      []byte
		kept       *[]byte
	}
	var rows []row
	o.mu.Lock()
	if !o.lead.leads { // Who leads writes.
		o.mu.Unlock()
		return
	}
	for name, s := range o.sets {
		if source := sourceOf(s.upstream); source != List && source != Pushed && !s.since.IsZero() {
			value, err := json.Marshal(keptSet{Source: source, Endpoints: s.served})
			if err == nil && !slices.Equal(value, s.written) { // Texts and numbers can always be written.
				rows = append(rows, row{KindEndpoints, name, value, &s.written})
			}
		}
	}
	for _, k := range o.keys {
		if !slices.Equal(k.text, k.written) {
			rows = append(rows, row{KindKeySet, keptAs(k.issuer), k.text, &k.written})
		}
	}
	o.mu.Unlock()
	for _, r := range rows {
		before, err := o.options.Store.Get(ctx, r.kind, r.name)
		if err == nil && !slices.Equal(before.Value, r.value) {
			_, err = o.options.Store.Put(ctx, r.kind, r.name, before.Version, r.value, "")
		}
		if err != nil && !errors.Is(err, ErrConflict) { // Another daemon has written what it learnt, which is as good.
			o.options.Log.Error("what was observed cannot be kept", "kind", r.kind, "name", r.name, "error", err)
			continue
		}
		o.mu.Lock()
		*r.kept = r.value
		o.mu.Unlock()
	}
}
