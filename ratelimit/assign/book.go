package assign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// Book is where it stands who holds which part of which limit, for all replicas, and for whoever follows after a restart.
type Book interface {
	// Load returns what was saved last, and its version; nothing and 0 where nothing ever was.
	Load(ctx context.Context) (state []byte, version int64, err error)
	// Save keeps a state in place of that of a version, and returns its own version. ErrChanged tells that another one was saved
	// meanwhile.
	Save(ctx context.Context, state []byte, version int64) (int64, error)
}

// ErrChanged tells that somebody else has saved.
var ErrChanged = errors.New("another replica has changed what is assigned")

// page is what a Book holds.
type page struct {
	Divisions map[string]*share.Division `json:"divisions"`
	version   int64
	lost      time.Time // Until when somebody may hold what stands in no book; zero: nobody does.
}

// begin returns the division of a limit that had none.
func (p *page) begin(l share.Limit, now time.Time) *share.Division {
	if now.Before(p.lost) {
		return share.Unknown(l, settings(), now)
	}
	return share.New(l, settings(), now)
}

// read reads the book.
func read(ctx context.Context, b Book, settings share.Settings, now time.Time) (*page, error) {
	state, version, err := b.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what is assigned: %w", err)
	}
	p := &page{version: version}
	if len(state) > 0 {
		if err := json.Unmarshal(state, p); err != nil { // Another version wrote it, or it is damaged: it is written anew.
			*p = page{version: version, lost: now.Add(settings.Life + settings.Margin)}
		}
	}
	if p.Divisions == nil {
		p.Divisions = map[string]*share.Division{}
	}
	for name, d := range p.Divisions {
		if d == nil {
			delete(p.Divisions, name)
			continue
		}
		d.Resume(settings, now)
	}
	return p, nil
}

// write saves the page.
func (p *page) write(ctx context.Context, b Book) error {
	state, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write what is assigned: %w", err)
	}
	version, err := b.Save(ctx, state, p.version)
	if err != nil {
		return fmt.Errorf("write what is assigned: %w", err)
	}
	p.version = version
	return nil
}
