package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// console is a slog.Handler for a person in front of a terminal: no time, a fault as the editor's FILE:LINE:COLUMN, and
// texts of several lines indented below.
type console struct {
	out    *lines
	from   slog.Level
	dir    string // Of the documents.
	ending <-chan struct{}
	attrs  []slog.Attr
}

// lines writes whole messages, one after the other.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

// newConsole returns a logger that writes records of a level and above until ctx ends, and from then on only errors: what
// parts say about one another's end helps nobody. Places are in dir.
func newConsole(ctx context.Context, w io.Writer, from slog.Level, dir string) *slog.Logger {
	return slog.New(&console{out: &lines{w: w}, from: from, dir: dir, ending: ctx.Done()})
}

// Enabled tells whether a level is written.
func (c *console) Enabled(_ context.Context, l slog.Level) bool {
	select {
	case <-c.ending:
		return l >= max(c.from, slog.LevelError)
	default:
		return l >= c.from
	}
}

// Handle writes one record.
func (c *console) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(c.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	text, isFault := c.fault(attrs)
	if !isFault {
		text = r.Message + pairs(attrs)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	_, err := fmt.Fprintf(c.out.w, "%s: %s\n", strings.ToLower(r.Level.String()), text)
	return err
}

// fault writes a record about a fault as `gatehouse validate` would.
func (c *console) fault(attrs []slog.Attr) (string, bool) {
	said := map[string]string{}
	for _, a := range attrs {
		said[a.Key] = a.Value.Resolve().String()
	}
	place, code, message := said["place"], said["code"], said["message"]
	return fmt.Sprintf("%s: %s: %s", filepath.Join(c.dir, place), code, message), place != "" && code != "" && message != ""
}

// pairs writes attributes behind a message, those of several lines below it.
func pairs(attrs []slog.Attr) string {
	var line, below strings.Builder
	for _, a := range attrs {
		value := strings.TrimRight(a.Value.Resolve().String(), "\n")
		if a.Key != "faults" && !strings.Contains(value, "\n") {
			fmt.Fprintf(&line, " %s=%s", a.Key, value)
			continue
		}
		for text := range strings.Lines(value) {
			below.WriteString("\n  " + strings.TrimRight(text, "\n"))
		}
	}
	return line.String() + below.String()
}

// WithAttrs returns a handler that adds attributes to each record.
func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *c
	more.attrs = slices.Concat(c.attrs, attrs)
	return &more
}

// WithGroup returns the handler itself: a person does without groups.
func (c *console) WithGroup(string) slog.Handler { return c }
