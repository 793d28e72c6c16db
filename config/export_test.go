package config

import (
	"context"
	"log/slog"
	"time"
)

// WatchAfter is Watch with another clock.
func WatchAfter(ctx context.Context, dir string, log *slog.Logger, after func(time.Duration) <-chan time.Time) (<-chan struct{}, error) {
	return watch(ctx, dir, log, after)
}
