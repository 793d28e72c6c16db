package server

import (
	"context"
	"sync"
)

// newAlone returns what one process alone may run. begin starts its goroutines in tasks; they end when ctx does, each step of
// theirs within the store's own bound.
func newAlone(name string, begin func(ctx context.Context, tasks *sync.WaitGroup) error) alone {
	var mu sync.Mutex // Somebody may stop the server during a hand-over.
	var cancel context.CancelFunc
	var tasks sync.WaitGroup
	start := func() error {
		mu.Lock()
		defer mu.Unlock()
		if cancel != nil {
			return nil // A hand-over failed before it was stopped.
		}
		ctx, end := context.WithCancel(context.Background())
		cancel = end
		return begin(ctx, &tasks)
	}
	stop := func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if cancel != nil {
			cancel()
			cancel = nil
		}
		tasks.Wait()
		return nil
	}
	return alone{name: name, start: start, stop: stop}
}
