package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// storeWrites is how many entries are written in one turn.
const storeWrites = 100

// storing measures what it costs to keep a change, in each kind of store, against a file of the same bytes that is synced to the
// same disk. A PostgreSQL that is not on this machine is left out.
func (b *bench) storing(ctx context.Context) error {
	dir, err := b.subdir("store")
	if err != nil {
		return err
	}
	if err := b.storingIn(ctx, "SQLite", store.Options{Dir: dir}); err != nil {
		return err
	}
	where, stop, err := b.postgres(ctx)
	if errors.Is(err, errAbsent) {
		b.note("nothing is said of PostgreSQL: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(b.storingIn(ctx, "PostgreSQL", store.Options{URL: where}), stop())
}

func (b *bench) storingIn(ctx context.Context, kind string, where store.Options) (err error) {
	kept, err := store.Open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	var ours, floor []float64
	for turn := range b.turns {
		least, err := b.synced(kind, turn)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		began := time.Now()
		for i := range storeWrites {
			entry := store.Entry{Content: fmt.Sprintf("content-%d-%d", turn, i), Author: "bench", State: "live"}
			if _, err := kept.History.Add(ctx, entry, map[string][]byte{"api.yaml": appliedText(turn, i)}); err != nil {
				return err
			}
		}
		ours, floor = append(ours, inMs(time.Since(began))/storeWrites), append(floor, least)
	}
	b.table.compare(fmt.Sprintf("an entry of the history, on the disk (%s)", kind), "ms", ours, floor, target{})
	return nil
}

// synced returns how long it takes to put so many bytes into a file of their own and on the disk, in milliseconds.
func (b *bench) synced(kind string, turn int) (float64, error) {
	began := time.Now()
	for i := range storeWrites {
		file, err := os.Create(filepath.Join(b.dir, fmt.Sprintf("synced-%s-%d-%d", kind, turn, i))) //nolint:gosec // Of this run.
		if err != nil {
			return 0, err
		}
		_, err = file.Write(appliedText(turn, i))
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return 0, err
		}
	}
	return inMs(time.Since(began)) / storeWrites, nil
}

func appliedText(turn, i int) []byte {
	return []byte(appliedAPI(turn, fleetRoutes, fmt.Sprintf("/op-%d", i)))
}
