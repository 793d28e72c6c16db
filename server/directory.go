package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
)

// takenKey is under what the store keeps which state of the watched directory was taken in last.
const takenKey = "directory"

// directory is the watched directory as it was read just now, together with the sources that stand beside it.
type directory struct {
	documents *gateway.Documents
	faults    gateway.Faults
	digest    string // Of what the directory itself holds.
	// changed says that this state of the directory was not taken in yet. What was taken in once is not taken in again: a
	// rollback, or a rollout that was stopped, would be undone by the next start.
	changed bool
}

// readDirectory reads the watched directory, or, where that has not changed, what the newest entry holds.
func (s *Server) readDirectory(ctx context.Context) (*directory, error) {
	base := s.live.Load()
	sources, err := base.sources()
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(sources), func(o config.Source) bool { return o.Name == "" })
	d := &directory{}
	d.documents, d.faults = s.loadSources(append(others, s.ownSource()), &s.memory)
	if d.digest, err = directoryDigest(d.documents.Files); err != nil {
		return nil, err
	}
	taken, err := s.store.Meta.Get(ctx, takenKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	d.changed = taken != d.digest || s.latest.Number == 0
	if d.changed {
		return d, nil
	}
	var newest map[string][]byte
	if base.entry == s.latest.Number {
		newest = base.documents.Files
	} else if newest, err = s.contentOf(ctx, s.latest.Content); err != nil {
		return nil, err
	}
	if same(newest, d.documents.Files) {
		return d, nil
	}
	if sources, err = config.SplitSources(newest); err != nil {
		return nil, err
	}
	d.documents, d.faults = s.loadSources(sources, &s.memory)
	d.documents.Files = newest
	return d, nil
}

// ownSource is the watched directory; without one it has no files.
func (s *Server) ownSource() config.Source { return config.Source{Dir: s.options.Config} }

// loadSources reads sources.
func (s *Server) loadSources(sources []config.Source, memory *config.Memory) (*gateway.Documents, gateway.Faults) {
	return config.LoadSources(sources, s.options.Config, config.Options{LookupEnv: s.options.Lookup, Memory: memory})
}

// directoryDigest returns the hash of the files of the watched directory among those of a configuration.
func directoryDigest(files map[string][]byte) (string, error) {
	sources, err := config.SplitSources(files)
	if err != nil {
		return "", fmt.Errorf("tell the directory's files from others: %w", err)
	}
	if len(sources) == 0 || sources[0].Name != "" {
		return gateway.ContentHash(nil), nil
	}
	return gateway.ContentHash(sources[0].Files), nil
}

func same(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}
