package observed

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a change must rest before it is told, so that files that belong together are read together; how long it waits at
// most; and after which time files are looked at without any word of a change, as some file systems give none.
const (
	quietTime = 100 * time.Millisecond
	patience  = time.Second
	pollTime  = time.Minute
)

// maxLinks bounds how many links are followed to a file.
const maxLinks = 16

// Files tells when files may have changed: written in place, renamed into place, removed, or reached through links of which one
// was put in another's place, as Kubernetes and cert-manager do.
type Files struct {
	log     *slog.Logger
	events  *fsnotify.Watcher
	changed chan struct{}

	mu      sync.Mutex
	files   []string
	folders map[string]bool
}

// WatchFiles starts to watch; Follow says which files. It ends with ctx, and closes the channel of Changed.
func WatchFiles(ctx context.Context, log *slog.Logger) (*Files, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	f := &Files{log: log, events: events, changed: make(chan struct{}, 1), folders: map[string]bool{}}
	go f.run(ctx)
	return f, nil
}

// Changed returns the channel on which changes are told. One value stands for all changes until it is taken; taking it and then
// reading misses nothing.
func (f *Files) Changed() <-chan struct{} { return f.changed }

// Follow says which files are watched from now on, by absolute paths. They need not exist. A file that changed while it was
// not followed yet is not told of: read after following.
func (f *Files) Follow(files []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files = files
	f.cover()
}

// cover watches the folder of each file, and of each link on the way to it; what is not on any way any more is let go.
func (f *Files) cover() {
	wanted := map[string]bool{}
	for _, file := range f.files {
		for _, folder := range foldersOf(file) {
			wanted[nearest(folder)] = true
		}
	}
	for folder := range wanted {
		// Adding one twice is no harm, and one that was removed and made again needs it.
		if err := f.events.Add(folder); err != nil {
			f.log.Warn("a folder with observed files cannot be watched; it is looked at once a minute", "dir", folder, "error", err)
			delete(wanted, folder)
		}
	}
	for folder := range f.folders {
		if !wanted[folder] {
			_ = f.events.Remove(folder) // It may be gone, which ended the watch too.
		}
	}
	f.folders = maps.Clone(wanted)
}

// nearest returns a folder, or the nearest one around it that exists, in which it would be made.
func nearest(folder string) string {
	for folder != filepath.Dir(folder) {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return folder
		}
		folder = filepath.Dir(folder)
	}
	return folder
}

// foldersOf returns the folders in which a change may change what a path leads to.
func foldersOf(path string) []string {
	var folders []string
	seen := 0
	var walk func(path string)
	walk = func(path string) {
		for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
			info, err := os.Lstat(at)
			link := err == nil && info.Mode()&fs.ModeSymlink != 0
			if at == path || link {
				folders = append(folders, filepath.Dir(at))
			}
			if !link || seen >= maxLinks {
				continue
			}
			seen++
			target, err := os.Readlink(at)
			if err != nil {
				continue
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			rest, _ := filepath.Rel(at, path)
			walk(filepath.Join(target, rest))
			return
		}
	}
	walk(filepath.Clean(path))
	return folders
}

// run gathers events until they rest, and then tells of them as one.
func (f *Files) run(ctx context.Context) {
	defer close(f.changed)
	defer func() {
		if err := f.events.Close(); err != nil {
			f.log.Warn("closing the watch of observed files failed", "error", err)
		}
	}()
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	var quiet, late <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.events.Events:
		case err := <-f.events.Errors:
			f.log.Warn("watching observed files failed", "error", err)
		case <-poll.C:
			f.tell()
			continue
		case <-quiet:
			quiet, late = nil, nil
			f.tell()
			continue
		case <-late:
			quiet, late = nil, nil
			f.tell()
			continue
		}
		quiet = time.After(quietTime)
		if late == nil {
			late = time.After(patience)
		}
	}
}

// tell covers what the links lead to now, so that nothing that happens after the telling goes unseen.
func (f *Files) tell() {
	f.mu.Lock()
	f.cover()
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default: // Told already, and not taken yet.
	}
}
