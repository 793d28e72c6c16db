package envoy

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logFormat makes each log line of an Envoy "LEVEL<tab>LOGGER<tab>TEXT", which output takes apart again.
const logFormat = "%l\t%n\t%v"

// Bounds of what is kept of an Envoy's output: one line, and the last lines for the error of a start that failed.
const (
	lineMax  = 16 << 10
	linesMax = 8
)

// output takes what an Envoy writes and hands each line to a logger at its level. It is safe for use by several writers.
type output struct {
	log *slog.Logger

	mu   sync.Mutex
	part []byte   // a line whose end has not come
	last []string // texts of the last lines at warning and above
}

// Write takes a piece of output. It never fails and never blocks longer than the logger does.
func (o *output) Write(piece []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := piece
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		o.part = append(o.part, line[:min(len(line), lineMax-len(o.part))]...)
		if !found {
			return len(piece), nil
		}
		o.line(string(o.part))
		o.part = o.part[:0]
		rest = after
	}
}

// Flush hands on a line whose end never came; it is called when the Envoy has ended.
func (o *output) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.line(string(o.part))
		o.part = nil
	}
}

// Last returns the last warnings and errors, joined.
func (o *output) Last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, "; ")
}

// line logs one line. A line in another form is the end of a message with several lines, or a crash: it is shown too.
func (o *output) line(text string) {
	level, logger, message := slog.LevelWarn, "", text
	if parts := strings.SplitN(text, "\t", 3); len(parts) == 3 {
		level, logger, message = levelOf(parts[0]), parts[1], parts[2]
	}
	if strings.TrimSpace(message) == "" {
		return
	}
	if level >= slog.LevelWarn {
		o.last = append(o.last, message)
		o.last = o.last[max(0, len(o.last)-linesMax):]
	}
	o.log.Log(context.Background(), level, "envoy wrote", "text", message, "logger", logger)
}

// levelOf returns the level of slog for one of Envoy's.
func levelOf(name string) slog.Level {
	switch name {
	case "trace", "debug":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "error", "critical":
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}
