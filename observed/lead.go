package observed

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// lead is whether this process learns by itself, and what closes when that changes.
type lead struct {
	leads   bool
	changed chan struct{}
}

// Lead says whether this process asks names and reads files itself, as it does at first, or takes what another process of the
// same store has learnt (Recall). What is served stays as it is either way. Who begins to lead asks every name soon.
func (o *Observer) Lead(leads bool) {
	o.mu.Lock()
	before := o.lead
	if before.leads == leads {
		o.mu.Unlock()
		return
	}
	o.lead = lead{leads: leads, changed: make(chan struct{})}
	close(before.changed)
	if !leads { // Who leads knows what is wrong with them.
		for _, s := range o.sets {
			s.held, s.faults, s.recalled = time.Time{}, nil, 0
		}
		for _, k := range o.keys {
			k.faults = nil
		}
	}
	o.mu.Unlock()
	if leads {
		o.Reread()
		o.save()
	}
}

// leading returns whether this process learns by itself, and what closes when that changes.
func (o *Observer) leading() (leads bool, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lead.leads, o.lead.changed
}

// Recall takes what the store has of all that is wanted and that other processes have changed: what was pushed there, and, where this
// process does not lead, what they have learnt. It returns the first error of the store; what was read before it is in use.
func (o *Observer) Recall(ctx context.Context, changed func(kind, name string) bool) error {
	o.mu.Lock()
	var upstreams []string
	issuers := map[string]string{}
	for name, s := range o.sets {
		if source := sourceOf(s.upstream); source == Pushed || source != List && !o.lead.leads {
			upstreams = append(upstreams, name)
		}
	}
	for name, k := range o.keys {
		if !o.lead.leads {
			issuers[name] = keptAs(k.issuer)
		}
	}
	o.mu.Unlock()
	for _, name := range upstreams {
		if !changed(KindEndpoints, name) {
			continue
		}
		if err := o.recallEndpoints(ctx, name); err != nil {
			return err
		}
	}
	for name, kept := range issuers {
		if !changed(KindKeySet, kept) {
			continue
		}
		stored, err := o.options.Store.Get(ctx, KindKeySet, kept)
		if err != nil {
			return err
		}
		o.recallKeys(name, stored)
	}
	return nil
}

// recallEndpoints serves what the store has of an Upstream.
func (o *Observer) recallEndpoints(ctx context.Context, name string) error {
	stored, err := o.options.Store.Get(ctx, KindEndpoints, name)
	if err != nil || stored.Version == 0 {
		return err
	}
	var kept keptSet
	if err := json.Unmarshal(stored.Value, &kept); err != nil {
		o.options.Log.ErrorContext(ctx, "stored endpoints cannot be read", "upstream", name, "error", err)
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[name]
	if s == nil || o.lead.leads && sourceOf(s.upstream) != Pushed || stored.Version <= s.recalled {
		return nil
	}
	o.serve(s, gateway.CanonicalEndpoints(kept.Endpoints))
	s.version, s.author, s.since, s.recalled = stored.Version, stored.Author, stored.Changed, stored.Version
	if len(kept.Endpoints) == 0 {
		s.forced = true // Nobody stores an empty set that is not meant.
	}
	o.now = nil
	return nil
}

// recallKeys uses the key set that the store has of an Issuer.
func (o *Observer) recallKeys(name string, stored Stored) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys[name]
	if k == nil || o.lead.leads || len(stored.Value) == 0 || bytes.Equal(k.text, stored.Value) {
		return
	}
	o.options.Log.Info("key set changed", "issuer", name, "from", "store")
	k.text, k.written = stored.Value, stored.Value
	o.changed()
}

// turn waits so long, and until this process leads. It reports whether it is time to ask: false once ctx has ended.
func (o *Observer) turn(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-o.options.After(wait):
	}
	for leads, changed := o.leading(); !leads; leads, changed = o.leading() {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
	return true
}
