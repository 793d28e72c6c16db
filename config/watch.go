package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a change must rest before it is told, so that a directory that is being written is not read half-way, and how
// long it waits at most while changes go on.
const (
	quietTime = 20 * time.Millisecond
	patience  = time.Second
)

// Watch tells when something below a directory may have changed: files, new and removed folders, links that are put in
// another's place as Kubernetes does, and the directory itself where it is reached through a link. One value stands for all
// changes until it is taken; taking it and then loading misses nothing. The channel is closed once ctx has ended. The error
// says that the directory cannot be watched at all.
func Watch(ctx context.Context, dir string, log *slog.Logger) (<-chan struct{}, error) {
	return watch(ctx, dir, log, time.After)
}

// watcher is what one Watch runs.
type watcher struct {
	dir     string // Absolute, links not followed.
	log     *slog.Logger
	after   func(time.Duration) <-chan time.Time
	events  *fsnotify.Watcher
	changed chan struct{}
	// outside are folders above the directory, watched only for the entry that leads to it.
	outside map[string]bool
	// modes are those of files whose attributes have changed before, by path.
	modes map[string]fs.FileMode
}

func watch(ctx context.Context, dir string, log *slog.Logger, after func(time.Duration) <-chan time.Time) (<-chan struct{}, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	w := &watcher{
		dir: dir, log: log, after: after, events: events, changed: make(chan struct{}, 1), outside: map[string]bool{},
		modes: map[string]fs.FileMode{},
	}
	if err := w.cover(); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", dir, err), events.Close())
	}
	go w.run(ctx)
	return w.changed, nil
}

// run gathers events until they rest, and then tells of them as one.
func (w *watcher) run(ctx context.Context) {
	defer close(w.changed)
	defer func() {
		if err := w.events.Close(); err != nil {
			w.log.Warn("closing the watch failed", "dir", w.dir, "error", err)
		}
	}()
	var quiet, late <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.events.Events:
			if !w.matters(e) {
				continue
			}
		case err := <-w.events.Errors:
			// Most likely more events than there was room for; something has changed.
			w.log.Warn("watching the configuration failed", "dir", w.dir, "error", err)
		case <-quiet:
			quiet, late = nil, nil
			w.tell()
			continue
		case <-late:
			quiet, late = nil, nil
			w.tell()
			continue
		}
		quiet = w.after(quietTime)
		if late == nil {
			late = w.after(patience)
		}
	}
}

// matters reports whether an event can change what is loaded.
func (w *watcher) matters(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod && !w.permitted(e.Name) {
		return false
	}
	folder, own := filepath.Split(e.Name)
	if folder = filepath.Clean(folder); w.outside[folder] && !w.inside(folder) {
		return w.inside(e.Name) || strings.HasPrefix(w.dir+string(filepath.Separator), e.Name+string(filepath.Separator))
	}
	// Editors hide their swap files; Kubernetes hides "..data", whose change is the change of all.
	return !strings.HasPrefix(own, ".") || strings.HasPrefix(own, "..")
}

// permitted reports whether who may read a file may have changed. Other attributes change all the time, as where a backup
// or a search index touches them, and say nothing about the content.
func (w *watcher) permitted(file string) bool {
	info, err := os.Lstat(file)
	if err != nil {
		return false // Its removal is an event of its own.
	}
	before, known := w.modes[file]
	if len(w.modes) >= maxFiles {
		clear(w.modes)
	}
	w.modes[file] = info.Mode()
	return !known || before != info.Mode()
}

func (w *watcher) inside(file string) bool {
	return file == w.dir || strings.HasPrefix(file, w.dir+string(filepath.Separator))
}

// tell covers new folders first, so that nothing that happens after the telling goes unseen.
func (w *watcher) tell() {
	if err := w.cover(); err != nil {
		w.log.Warn("the configuration's directory cannot be watched", "dir", w.dir, "error", err)
	}
	select {
	case w.changed <- struct{}{}:
	default: // Told already, and not taken yet.
	}
}

// cover watches every folder of the directory, and the folders of the links that lead to it.
func (w *watcher) cover() error {
	w.coverAbove()
	return w.coverFolder(w.dir, nil)
}

// coverAbove watches the directory's parent and the parent of every link on the way, where the directory may be replaced.
func (w *watcher) coverAbove() {
	for at := w.dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if at != w.dir && (err != nil || info.Mode()&fs.ModeSymlink == 0) {
			continue
		}
		parent := filepath.Dir(at)
		w.outside[parent] = true
		if err := w.events.Add(parent); err != nil {
			w.log.Warn("the folder above the configuration cannot be watched", "dir", parent, "error", err)
		}
	}
}

// coverFolder watches a folder before it looks for folders in it, so that none is missed between the two.
func (w *watcher) coverFolder(dir string, around []fs.FileInfo) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, a := range around {
		if os.SameFile(a, info) {
			return nil
		}
	}
	if len(around) >= maxFolders {
		return nil
	}
	if err := w.events.Add(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	around = append(slices.Clip(around), info)
	for _, e := range entries {
		inner := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if target, err := os.Stat(inner); err != nil || !target.IsDir() {
			continue
		}
		if err := w.coverFolder(inner, around); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.log.Warn("a folder of the configuration cannot be watched", "dir", inner, "error", err)
		}
	}
	return nil
}
