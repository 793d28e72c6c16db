package config_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/config"
)

// patience is how long a test waits for what must come; none waits that long when it passes.
const patience = 20 * time.Second

func told(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case _, open := <-changed:
		if !open {
			t.Fatal("the watch has ended")
		}
	case <-time.After(patience):
		t.Fatal("the change was not told")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

const upstreamA = "schema: 1\nkind: Upstream\nname: a\nendpoints: [{address: \"10.0.0.1:80\"}]\n"

// waitFor loads after each change that is told until the configuration has so many Upstreams.
func waitFor(t *testing.T, dir string, changed <-chan struct{}, upstreams int) {
	t.Helper()
	for range 100 {
		told(t, changed)
		docs, _ := config.Load(dir, config.Options{})
		if len(docs.Upstreams) == upstreams {
			return
		}
	}
	t.Fatal("the changes were told, but the files are not as they should be")
}

func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		before func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		want   int
	}{
		"new file": {
			change: func(t *testing.T, dir string) { write(t, dir+"/a.yaml", upstreamA) },
			want:   1,
		},
		"written again": {
			before: func(t *testing.T, dir string) { write(t, dir+"/a.yaml", "schema: 1\n") },
			change: func(t *testing.T, dir string) { write(t, dir+"/a.yaml", upstreamA) },
			want:   1,
		},
		"renamed into place": {
			before: func(t *testing.T, dir string) { write(t, dir+"/a.yaml", "schema: 1\n") },
			change: func(t *testing.T, dir string) {
				write(t, dir+"/.a.yaml.swp", upstreamA)
				if err := os.Rename(dir+"/.a.yaml.swp", dir+"/a.yaml"); err != nil {
					t.Fatal(err)
				}
			},
			want: 1,
		},
		"removed": {
			before: func(t *testing.T, dir string) { write(t, dir+"/sub/a.yaml", upstreamA) },
			change: func(t *testing.T, dir string) {
				if err := os.RemoveAll(dir + "/sub"); err != nil {
					t.Fatal(err)
				}
			},
			want: 0,
		},
		"in a folder": {
			before: func(t *testing.T, dir string) { write(t, dir+"/x/y/a.yaml", "schema: 1\n") },
			change: func(t *testing.T, dir string) { write(t, dir+"/x/y/a.yaml", upstreamA) },
			want:   1,
		},
		"in a new folder": {
			change: func(t *testing.T, dir string) { write(t, dir+"/new/er/a.yaml", upstreamA) },
			want:   1,
		},
		"swapped as by Kubernetes": {
			before: func(t *testing.T, dir string) {
				write(t, dir+"/..1/a.yaml", "schema: 1\n")
				write(t, dir+"/..2/a.yaml", upstreamA)
				link(t, "..1", dir+"/..data")
				link(t, "..data/a.yaml", dir+"/a.yaml")
			},
			change: func(t *testing.T, dir string) { link(t, "..2", dir+"/..data") },
			want:   1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.before != nil {
				test.before(t, dir)
			}
			changed, err := config.Watch(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			test.change(t, dir)
			waitFor(t, dir, changed, test.want)
		})
	}
}

// TestWatchSeesWhatComesLater changes a folder that did not exist when the watch began.
func TestWatchSeesWhatComesLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	changed, err := config.Watch(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/new/a.yaml", "schema: 1\n")
	told(t, changed)
	write(t, dir+"/new/a.yaml", upstreamA)
	waitFor(t, dir, changed, 1)
}

// TestWatchThroughLinks replaces the directory itself, which is reached through a link.
func TestWatchThroughLinks(t *testing.T) {
	t.Parallel()
	for name, below := range map[string]string{"directory": "", "folder above": "/conf"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			write(t, home+"/releases/1"+below+"/a.yaml", "schema: 1\n")
			write(t, home+"/releases/2"+below+"/a.yaml", upstreamA)
			link(t, "releases/1", home+"/current")
			dir := home + "/current" + below
			changed, err := config.Watch(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			link(t, "releases/2", home+"/current")
			waitFor(t, dir, changed, 1)
			write(t, home+"/releases/2"+below+"/b.yaml", "schema: 1\nkind: Upstream\nname: b\nendpoints: [{address: \"10.0.0.1:80\"}]\n")
			waitFor(t, dir, changed, 2)
		})
	}
}

// TestWatchWaitsForRest holds the clock: however many files are written, nothing is told until they rest, and then once.
func TestWatchWaitsForRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	type timer struct {
		d    time.Duration
		fire chan time.Time
	}
	timers := make(chan timer, 10_000)
	after := func(d time.Duration) <-chan time.Time {
		fire := make(chan time.Time, 1)
		timers <- timer{d: d, fire: fire}
		return fire
	}
	changed, err := config.WatchAfter(t.Context(), dir, slog.New(slog.DiscardHandler), after)
	if err != nil {
		t.Fatal(err)
	}
	next := func() timer {
		select {
		case w := <-timers:
			return w
		case <-time.After(patience):
			t.Fatal("no timer was set")
			return timer{}
		}
	}
	write(t, dir+"/first.yaml", "schema: 1\n")
	first := next()
	late := next()
	if first.d >= late.d {
		t.Fatalf("the rest is %v, the patience %v: want the patience longer", first.d, late.d)
	}
	for i := range 20 {
		write(t, fmt.Sprintf("%s/%d.yaml", dir, i), "schema: 1\n")
	}
	next() // The rest begins anew.
	first.fire <- time.Now()
	select {
	case <-changed:
		t.Fatal("told although there was no rest")
	default:
	}
	late.fire <- time.Now()
	told(t, changed)
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	changed, err := config.Watch(ctx, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case _, open := <-changed:
		if open {
			t.Error("told of a change where there was none")
		}
	case <-time.After(patience):
		t.Fatal("the channel was not closed")
	}
}

func TestWatchNeedsADirectory(t *testing.T) {
	t.Parallel()
	if _, err := config.Watch(t.Context(), t.TempDir()+"/missing", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a directory that does not exist is watched")
	}
}

// TestWatchTellsOfPermissions mends a file that may not be read: nothing is written.
func TestWatchTellsOfPermissions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write(t, file, upstreamA)
	changed, err := config.Watch(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0, 0o600, 0} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		told(t, changed)
	}
}
