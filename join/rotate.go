package join

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// steps bounds how many changes of the roots one call makes, its own and those that others were faster with.
const steps = 10

// tendRoots does what is due to the kept roots, one step after the other, and returns what follows from them.
func (a *Authority) tendRoots(ctx context.Context) (*trust, error) {
	for range steps {
		roots, err := a.roots.Roots(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the roots: %w", err)
		}
		changed, err := a.step(ctx, roots)
		switch {
		case err != nil && !errors.Is(err, ErrChanged):
			return nil, err
		case err == nil && !changed:
			return trustOf(roots)
		}
	}
	return nil, ErrChanged
}

// step does one thing that is due, and tells whether there was any.
func (a *Authority) step(ctx context.Context, roots []Root) (bool, error) {
	now := a.options.Now()
	active, next := find(roots, Active), find(roots, Next)
	if active == nil {
		return true, a.add(ctx, nil, Active)
	}
	signing, err := active.parse()
	if err != nil {
		return false, err
	}
	if of := signing.URIs; len(of) != 1 || of[0].Host != a.options.Domain {
		return false, fmt.Errorf("the kept roots are of another trust domain (%v) than %s: nodes that have joined know only that one", of, a.options.Domain)
	}
	switch {
	case next != nil && !now.Before(next.Changed.Add(a.options.Life)):
		return true, a.promote(ctx, *active, *next)
	case next == nil && now.After(signing.NotAfter.Add(-rootLife/renewBefore)):
		return true, a.add(ctx, signing, Next)
	}
	shown := a.options.Life + a.options.Window // The last certificate that a root signed is shown until then.
	for _, r := range roots {
		if r.State == Retired && now.After(r.Changed.Add(shown)) {
			a.options.Log.InfoContext(ctx, "root of the authority forgotten", "root", r.ID)
			return true, a.roots.RemoveRoot(ctx, r.ID)
		}
	}
	return false, nil
}

// Rotate makes the next root, which everybody trusts after the life of a certificate and which signs from then on; where
// there is one already, it signs at once: who does not know it yet follows its cross certificate. It returns the roots after.
func (a *Authority) Rotate(ctx context.Context) ([]RootInfo, error) {
	if a.roots == nil {
		return nil, ErrOwn
	}
	if err := a.rotate(ctx); err != nil {
		return nil, err
	}
	if err := a.Tend(ctx); err != nil {
		return nil, err
	}
	return a.Roots(ctx)
}

func (a *Authority) rotate(ctx context.Context) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	roots, err := a.roots.Roots(ctx)
	if err != nil {
		return fmt.Errorf("read the roots: %w", err)
	}
	active, next := find(roots, Active), find(roots, Next)
	switch {
	case active == nil:
		return nil // Tend makes the first.
	case next != nil:
		return a.promote(ctx, *active, *next)
	}
	signing, err := active.parse()
	if err != nil {
		return err
	}
	return a.add(ctx, signing, Next)
}

// RootInfo is what may be shown of a root.
type RootInfo struct {
	ID      string
	State   State
	Changed time.Time
	Expires time.Time
}

// Roots returns what may be shown of the roots that are trusted, the oldest first. One's own have no state.
func (a *Authority) Roots(ctx context.Context) ([]RootInfo, error) {
	if a.roots == nil {
		var out []RootInfo
		for _, c := range a.trust.Load().roots {
			id, err := keyID(c.PublicKey)
			if err != nil {
				return nil, err
			}
			out = append(out, RootInfo{ID: id, Expires: c.NotAfter})
		}
		return out, nil
	}
	roots, err := a.roots.Roots(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the roots: %w", err)
	}
	out := make([]RootInfo, len(roots))
	for i, r := range roots {
		c, err := r.parse()
		if err != nil {
			return nil, err
		}
		out[i] = RootInfo{ID: r.ID, State: r.State, Changed: r.Changed, Expires: c.NotAfter}
	}
	return out, nil
}

// add makes a root and keeps it.
func (a *Authority) add(ctx context.Context, before *certificate, state State) error {
	r, err := newRoot(a.options.Domain, before, a.options.Now(), rootLife)
	if err != nil {
		return err
	}
	r.State = state
	if err := a.roots.AddRoot(ctx, r); err != nil {
		return fmt.Errorf("keep a root: %w", err)
	}
	a.options.Log.InfoContext(ctx, "root of the authority made", "root", r.ID, "state", string(state))
	return nil
}

// promote lets the next root sign.
func (a *Authority) promote(ctx context.Context, active, next Root) error {
	err := a.roots.MoveRoots(ctx, Move{active.ID, Active, Retired}, Move{next.ID, Next, Active})
	if err != nil {
		return fmt.Errorf("let the next root sign: %w", err)
	}
	a.options.Log.InfoContext(ctx, "another root of the authority signs", "root", next.ID, "retired", active.ID)
	return nil
}

func find(roots []Root, s State) *Root {
	if i := slices.IndexFunc(roots, func(r Root) bool { return r.State == s }); i >= 0 {
		return &roots[i]
	}
	return nil
}

// trustOf returns what follows from the roots, the oldest first: all are trusted, one signs, and behind each leaf goes the way
// from every older root to the one that signs.
func trustOf(roots []Root) (*trust, error) {
	var (
		signing *certificate
		above   [][]byte
		trusted []*x509.Certificate
	)
	for _, r := range roots {
		c, err := r.parse()
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, c.Certificate)
		if r.State == Active {
			signing = c
		}
		if r.State != Next {
			above = append(above, c.cross...)
		}
	}
	if signing == nil {
		return nil, errors.New("no root signs")
	}
	slices.Reverse(above) // The newest first: each is certified by the one behind it.
	return newTrust(signing, above, trusted), nil
}
