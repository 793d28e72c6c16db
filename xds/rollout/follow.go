package rollout

import (
	"context"
	"errors"
	"fmt"
)

// ErrChanged is what a Store's Save returns, wrapped, where another process has stored a later state of one of the fleets: what
// was to be saved is founded on what is not so any more. It is never put into effect; Follow takes up what is stored.
var ErrChanged = errors.New("another process has taken the rollout further")

// Follow takes up states that another process has stored, each in the place of the one of its fleet, and delivers them. read
// returns them when all that they name is at hand; until it does nobody steps, so that what it reads is not overtaken. It
// must not call the Engine, its States apart.
func (e *Engine) Follow(ctx context.Context, read func(context.Context) ([]State, error)) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	states, err := read(ctx)
	if err != nil {
		return fmt.Errorf("follow the rollouts: %w", err)
	}
	if len(states) == 0 {
		return nil
	}
	e.mu.Lock()
	for _, s := range states {
		e.states[s.Fleet] = s
		delete(e.unsaved, s.Fleet)
	}
	e.mu.Unlock()
	e.deliver()
	return nil
}
