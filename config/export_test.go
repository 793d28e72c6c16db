package config

import (
	"context"
	"log/slog"
	"maps"
	"time"
)

// WatchAfter is Watch with another clock.
func WatchAfter(ctx context.Context, dir string, log *slog.Logger, after func(time.Duration) <-chan time.Time) (<-chan struct{}, error) {
	return watch(ctx, dir, log, after)
}

// JoinSources is the inverse of SplitSources. A source without files leaves no trace.
func JoinSources(sources []Source) map[string][]byte {
	all := map[string][]byte{}
	for _, s := range sources {
		maps.Copy(all, s.stored(s.Files))
	}
	return all
}
