package observed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxPushed bounds the endpoints that are pushed for one Upstream, and pushTries how often a push is made again where others
// push too.
const (
	maxPushed = 4096
	pushTries = 8
)

// Errors of a push, each wrapped with what to do.
var (
	// ErrSource tells that the endpoints of this Upstream come from elsewhere.
	ErrSource = errors.New("the endpoints are not pushed")
	// ErrEmpty tells that a set would be empty and nobody said that this is meant.
	ErrEmpty = errors.New("no endpoint would be left")
	// ErrInvalid tells that what is pushed cannot be used.
	ErrInvalid = errors.New("cannot be pushed")
	// ErrStore tells that what is pushed cannot be kept.
	ErrStore = errors.New("cannot be kept")
)

// Change is a change of an Upstream's endpoints: all of them (Replace), or some added, with another weight, or removed.
type Change struct {
	Replace []gateway.Endpoint
	All     bool // Replace holds all that there are to be.
	Add     []gateway.Endpoint
	Remove  []string // Addresses.
	Version int64    // What the caller has seen; 0: whatever there is.
	Force   bool     // An empty set is meant.
	Author  string
}

// Push changes the endpoints of an Upstream that says endpoints: pushed, and returns when the change is kept; Envoys get it at
// once. For any other Upstream it can only force the empty answer that is held back. The errors are ErrUnknown, ErrSource,
// ErrEmpty, ErrInvalid, ErrConflict and ErrStore.
func (o *Observer) Push(ctx context.Context, upstream string, c Change) (State, error) {
	o.pushing.Lock()
	defer o.pushing.Unlock()
	now, err := o.State(upstream)
	if err != nil {
		return State{}, err
	}
	if now.Source != Pushed {
		return o.force(upstream, now, c)
	}
	if o.options.Store == nil {
		return State{}, fmt.Errorf("%w: there is no store", ErrStore)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for range pushTries {
		var stored Stored
		stored, err = o.push(ctx, upstream, now, c)
		if err == nil {
			return o.pushed(upstream, stored)
		}
		if !errors.Is(err, ErrConflict) || c.Version != 0 {
			break
		}
	}
	return State{}, err
}

// State returns what is known about the endpoints of one Upstream, or ErrUnknown.
func (o *Observer) State(upstream string) (State, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[upstream]
	if s == nil {
		return State{}, fmt.Errorf("%q: %w", upstream, ErrUnknown)
	}
	return o.state(s), nil
}

// push tries a change once, on what the store has.
func (o *Observer) push(ctx context.Context, upstream string, now State, c Change) (Stored, error) {
	before, err := o.options.Store.Get(ctx, KindEndpoints, upstream)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if c.Version != 0 && c.Version != before.Version {
		return Stored{}, fmt.Errorf("%w: it has version %d now, and %d was expected", ErrConflict, before.Version, c.Version)
	}
	var kept keptSet
	if before.Version == 0 {
		kept.Endpoints = now.Endpoints // Those of the source before.
	} else if err := json.Unmarshal(before.Value, &kept); err != nil {
		return Stored{}, fmt.Errorf("%w: what is stored cannot be read: %w", ErrStore, err)
	}
	next, err := c.apply(kept.Endpoints)
	if err != nil {
		return Stored{}, err
	}
	value, err := json.Marshal(keptSet{Source: Pushed, Endpoints: next})
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	stored, err := o.options.Store.Put(ctx, KindEndpoints, upstream, before.Version, value, c.Author)
	if err != nil && !errors.Is(err, ErrConflict) {
		err = fmt.Errorf("%w: %w", ErrStore, err)
	}
	return stored, err
}

// apply returns what a change makes of endpoints.
func (c Change) apply(before []gateway.Endpoint) ([]gateway.Endpoint, error) {
	next := slices.Clone(before)
	if c.All {
		next = nil
	}
	for _, e := range slices.Concat(c.Replace, c.Add) {
		address, err := gateway.ParseEndpointAddress(e.Address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if e.Address = address; !e.Literal() {
			return nil, fmt.Errorf("%w: %s is the name of a host: push the addresses behind it, or write it into the Upstream", ErrInvalid, address)
		}
		if e.Weight < 1 || e.Weight > gateway.MaxEndpointWeight {
			return nil, fmt.Errorf("%w: the weight of %s is %d: write 1 to %d", ErrInvalid, address, e.Weight, gateway.MaxEndpointWeight)
		}
		next = slices.DeleteFunc(next, func(old gateway.Endpoint) bool { return old.Address == address })
		next = append(next, e)
	}
	for _, text := range c.Remove {
		address, err := gateway.ParseEndpointAddress(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		count := len(next)
		if next = slices.DeleteFunc(next, func(e gateway.Endpoint) bool { return e.Address == address }); len(next) == count {
			return nil, fmt.Errorf("%w: %s is none of its endpoints", ErrInvalid, address)
		}
	}
	if len(next) > maxPushed {
		return nil, fmt.Errorf("%w: %d endpoints are more than %d", ErrInvalid, len(next), maxPushed)
	}
	if len(next) == 0 && !c.Force {
		return nil, fmt.Errorf("%w: every request would be answered 503; force it if this is meant", ErrEmpty)
	}
	return gateway.CanonicalEndpoints(next), nil
}

// pushed serves what the store has.
func (o *Observer) pushed(upstream string, stored Stored) (State, error) {
	var kept keptSet
	if err := json.Unmarshal(stored.Value, &kept); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[upstream]
	if s == nil || sourceOf(s.upstream) != Pushed {
		return State{}, fmt.Errorf("%q: %w", upstream, ErrUnknown)
	}
	if stored.Version < s.recalled {
		return o.state(s), nil // Another process has pushed since, and that is served already.
	}
	o.serve(s, gateway.CanonicalEndpoints(kept.Endpoints))
	s.version, s.author, s.since, s.recalled = stored.Version, stored.Author, stored.Changed, stored.Version
	return o.state(s), nil
}

// force lets the empty answer of another source through.
func (o *Observer) force(upstream string, now State, c Change) (State, error) {
	if !c.All || len(c.Replace)+len(c.Add)+len(c.Remove) > 0 || !c.Force || now.Held.IsZero() {
		what := "written in its document"
		if now.Source != List {
			what = fmt.Sprintf("from %s, and only an empty answer that is held back can be forced", now.Source)
		}
		return State{}, fmt.Errorf("%w: those of Upstream %s are %s", ErrSource, upstream, what)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.sets[upstream]
	if s == nil || s.held.IsZero() {
		return State{}, fmt.Errorf("%w: nothing is held back any more", ErrSource)
	}
	o.options.Log.Warn("an empty set of endpoints was forced", "upstream", upstream, "author", c.Author)
	s.forced, s.held, s.author = true, time.Time{}, c.Author
	o.serve(s, nil)
	return o.state(s), nil
}
