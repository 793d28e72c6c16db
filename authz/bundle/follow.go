package bundle

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Polling is how often a source is asked.
type Polling struct {
	Min, Max time.Duration // Between two answers; a random moment between them. 0: a minute, two minutes.
}

// retryFirst is how long is waited after a first failure; it doubles with each further one, up to the longest pause of the
// polling.
const retryFirst = 500 * time.Millisecond

func (p Polling) bounds() (shortest, longest time.Duration) {
	shortest, longest = p.Min, p.Max
	if shortest <= 0 {
		shortest = time.Minute
	}
	if longest <= 0 {
		longest = 2 * shortest
	}
	return shortest, max(shortest, longest)
}

// pause returns how long to wait after so many failures in a row; 0: after an answer. All of it but a floor is chance, so that
// many who follow one server do not come at once.
func (p Polling) pause(failures int, chance func() float64) time.Duration {
	shortest, longest := p.bounds()
	if failures > 0 {
		longest = min(longest, retryFirst<<min(failures-1, 20))
		shortest = longest / 2
	}
	return shortest + time.Duration(chance()*float64(longest-shortest))
}

// Follower keeps a bundle up to date.
type Follower struct {
	Options Options
	Source  Source
	Polling Polling
	// Persist is the file in which the last good archive is kept for a restart; empty: none.
	Persist string
	// Keep is told every archive that came into use and was not persisted already; nil: nobody is.
	Keep func(archive []byte)
	// Use takes a bundle into use. With an error the one before stays in use, and this one is asked for again.
	Use    func(*Bundle) error
	Logger *slog.Logger
	// After is the clock; nil: time.After.
	After func(time.Duration) <-chan time.Time

	mu     sync.Mutex
	status Status
	etag   string
	seen   [sha256.Size]byte // Of the archive that came last, good or bad.
}

// Status is how following goes.
type Status struct {
	Ready    bool // A bundle is in use.
	Revision string
	Failures int    // In a row.
	Error    string // The last one; empty: the last answer was good.
}

// Status returns how following goes.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Run follows the source until ctx ends. What was persisted is used first, so that a restart does not wait for a server.
func (f *Follower) Run(ctx context.Context) {
	f.restore()
	after := f.After
	if after == nil {
		after = time.After
	}
	for failures := 0; ; {
		err := f.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			f.Logger.Warn("bundle not updated", "bundle", f.Options.Name, "failures", failures, "error", err)
		default:
			failures = 0
		}
		select {
		case <-after(f.Polling.pause(failures, rand.Float64)):
		case <-ctx.Done():
			return
		}
	}
}

// restore uses what was persisted.
func (f *Follower) restore() {
	if f.Persist == "" {
		return
	}
	archive, err := readFile(f.Persist, f.Options.limit())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = f.use(Fetched{Archive: archive}, false)
	}
	if err != nil {
		f.Logger.Warn("persisted bundle not used", "bundle", f.Options.Name, "file", f.Persist, "error", err)
	}
}

// Step asks the source once, and uses what is new.
func (f *Follower) Step(ctx context.Context) error {
	f.mu.Lock()
	etag := f.etag
	f.mu.Unlock()
	fetched, err := f.Source.Fetch(ctx, etag)
	if err == nil {
		err = f.use(fetched, true)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.status.Failures++
		f.status.Error = err.Error()
		return err
	}
	f.status.Failures, f.status.Error = 0, ""
	return nil
}

// use reads an archive and takes it into use, and persists it then. One that came before is left alone.
func (f *Follower) use(fetched Fetched, persist bool) error {
	if fetched.Unchanged {
		return nil
	}
	sum := sha256.Sum256(fetched.Archive)
	f.mu.Lock()
	known := f.status.Ready && sum == f.seen
	f.mu.Unlock()
	if known {
		f.note(fetched.ETag, sum, nil)
		return nil
	}
	b, err := Read(fetched.Archive, f.Options)
	if err != nil {
		return err
	}
	b.ETag = fetched.ETag
	if err := f.Use(b); err != nil {
		return err
	}
	f.note(fetched.ETag, sum, b)
	f.Logger.Info("bundle in use", "bundle", f.Options.Name, "revision", b.Revision, "modules", len(b.Modules))
	if f.Keep != nil && persist {
		f.Keep(fetched.Archive)
	}
	if f.Persist != "" && persist {
		if err := write(f.Persist, fetched.Archive); err != nil {
			f.Logger.Warn("bundle not persisted", "bundle", f.Options.Name, "file", f.Persist, "error", err)
		}
	}
	return nil
}

// note remembers what is in use; b is nil where that did not change.
func (f *Follower) note(etag string, sum [sha256.Size]byte, b *Bundle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.etag, f.seen = etag, sum
	if b != nil {
		f.status.Ready, f.status.Revision = true, b.Revision
	}
}
