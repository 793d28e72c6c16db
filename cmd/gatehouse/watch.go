package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// watchEvery is how often --watch asks.
const watchEvery = 500 * time.Millisecond

// watched is a verb that tells something once, or with --watch again whenever it changes.
type watched[T any] struct {
	watch bool
	ask   func(context.Context) (T, error)
	more  func(T) bool // Whether there is something to wait for; nil: always.
	show  func(T) error
}

// addWatch adds the flag --watch.
func addWatch(c *cobra.Command, to *bool, until string) {
	c.Flags().BoolVarP(to, "watch", "w", false, "write again whenever something changes, until "+until)
}

// run asks and prints, until there is nothing to wait for or ctx ends.
func (w watched[T]) run(ctx context.Context) error {
	var last string
	for {
		found, err := w.ask(ctx)
		if ctx.Err() != nil && last != "" {
			return nil // Whoever watches has seen enough.
		}
		if err != nil {
			return away(err)
		}
		text, err := json.Marshal(found)
		if err != nil {
			return fmt.Errorf("compare what was answered: %w", err)
		}
		if now := string(text); now != last {
			last = now
			if err := w.show(found); err != nil {
				return err
			}
		}
		if !w.watch || w.more != nil && !w.more(found) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}
