package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/store"
)

const (
	// usageEvery is how often usage is written, a tenth more or less: a crash loses less than a minute of it.
	usageEvery = 30 * time.Second
	// usageLimit bounds once, usageLast the last time, and usageOpen is how long after its end an hour may still be counted in.
	usageLimit = 10 * time.Second
	usageLast  = 2 * time.Second
	usageOpen  = 5 * time.Minute
	// usageAlone is how long each process's part of an hour stands alone, and usageKept how long usage is kept.
	usageAlone = 24 * time.Hour
	usageKept  = 90 * 24 * time.Hour
)

// counting writes what was called into the store.
type counting struct {
	process string // Of this process alone, so that nobody adds to what another has counted.

	mu      sync.Mutex
	written map[countedKey]uint64 // Requests that the store knows of.
}

// countedKey is what one row is about.
type countedKey struct {
	hour                           int64
	api, version, operation, class string
}

func newCounting() counting {
	return counting{process: rand.Text(), written: map[countedKey]uint64{}}
}

func keyOf(h *analytics.Hourly) countedKey {
	return countedKey{h.Hour.Unix(), h.API, h.Version, h.Operation, h.Class}
}

// countUsage writes usage again and again until ctx ends. What cannot be written is written the next time.
func (s *Server) countUsage(ctx context.Context) {
	failed := false
	for {
		timer := time.NewTimer(jittered(usageEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		err := s.writeUsage(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			s.log.Error("usage cannot be written: it is counted on", "error", err)
		}
		failed = err != nil
	}
}

// writeUsage writes what has grown since it was written last. The totals of an hour are written, so that it does not matter
// whether an attempt before, of which nobody knows how it ended, has succeeded.
func (s *Server) writeUsage(ctx context.Context) error {
	s.counting.mu.Lock()
	defer s.counting.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, usageLimit)
	defer cancel()
	var rows []store.Hourly
	s.letUsageGo(s.options.Now().Add(time.Hour - usageAlone).Truncate(time.Hour)) // Nobody could write it for a day: it cannot be any more.
	counted := s.analytics.Hourly()
	for i := range counted {
		if h := &counted[i]; s.counting.written[keyOf(h)] != h.Requests {
			rows = append(rows, usedHour(h))
		}
	}
	name := "daemon"
	if s.cluster != nil {
		name = s.cluster.name
	}
	err := s.store.Usage.Put(ctx, name+"/"+s.counting.process, rows)
	if errors.Is(err, store.ErrConflict) {
		s.log.Error("usage was lost: it is of hours that were summed up already", "rows", len(rows), "error", err)
		err = nil
	}
	if err != nil {
		return err
	}
	for i := range counted {
		s.counting.written[keyOf(&counted[i])] = counted[i].Requests
	}
	s.letUsageGo(s.options.Now().Add(-usageOpen).Truncate(time.Hour))
	return nil
}

// writeLastUsage writes what was counted until the end. A store that is away holds up no end.
func (s *Server) writeLastUsage(ctx context.Context) {
	if s.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usageLast)
	defer cancel()
	if err := s.writeUsage(ctx); err != nil && !errors.Is(err, store.ErrClosed) {
		s.log.Error("the last usage cannot be written", "error", err)
	}
}

// letUsageGo forgets the hours that are over and written.
func (s *Server) letUsageGo(before time.Time) {
	s.analytics.LetGo(before)
	for key := range s.counting.written {
		if key.hour < before.Unix() {
			delete(s.counting.written, key)
		}
	}
}

func usedHour(h *analytics.Hourly) store.Hourly {
	return store.Hourly{
		Hour: h.Hour, API: h.API, Version: h.Version, Operation: h.Operation, Class: h.Class,
		Requests: int64(h.Requests), Local: int64(h.Local), BytesIn: int64(h.BytesIn), BytesOut: int64(h.BytesOut), //nolint:gosec // Nobody counts so far.
		Timed: int64(h.Timed), Latency: h.Latency, //nolint:gosec // See above.
	}
}

// Usage returns what the query selects: what all replicas have written.
func (m management) Usage(ctx context.Context, q admin.UsageQuery) ([]admin.Used, error) {
	query := store.UsageQuery{
		Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Total: !q.Hourly, Limit: q.Limit,
	}
	if q.After != nil {
		query.After = &store.Hourly{Hour: q.After.Hour, API: q.After.API, Version: q.After.Version, Operation: q.After.Operation, Class: q.After.Class}
	}
	rows, err := m.store.Usage.List(ctx, query)
	if err != nil {
		return nil, storeAway(fmt.Errorf("read usage: %w", err))
	}
	out := make([]admin.Used, len(rows))
	for i, r := range rows {
		out[i] = admin.Used{
			Hour: r.Hour, API: r.API, Version: r.Version, Operation: r.Operation, Class: r.Class, Requests: r.Requests, Local: r.Local,
			BytesIn: r.BytesIn, BytesOut: r.BytesOut, Timed: r.Timed, Latency: r.Latency.Seconds(),
		}
	}
	return out, nil
}
