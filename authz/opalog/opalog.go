// Package opalog writes decisions where an OPA would write them: to the console, and to a server that speaks OPA's decision log
// API.
//
// In: events, one for each decision, from the path of requests, which never waits: what the queue has no room for is dropped
// and counted. Out: lines of JSON, and compressed lists of events, sent again until the server takes them.
package opalog

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse/gatehouse/authz"
)

// Defaults, of OPA where it has one.
const (
	defaultEvents   = 4096
	defaultBuffer   = 32 << 20
	defaultUpload   = 32 << 10
	defaultMin      = 5 * time.Minute
	defaultMax      = 10 * time.Minute
	retryFirst      = time.Second
	retryMost       = time.Minute
	flushLimit      = 5 * time.Second
	complainAtEvery = 10 * time.Second
)

// Options are the settings of a Sink.
type Options struct {
	Logger  *slog.Logger
	Console io.Writer // nil: none.
	// Send gives a compressed list of events to a server; nil: none. It must end soon after ctx does.
	Send   func(ctx context.Context, gzipped []byte) error
	Labels map[string]string // Of every event.

	Events    int           // In the queue; 0: 4096.
	Buffer    int64         // Bytes of events that wait to be sent, not compressed; 0: 32 MiB.
	Upload    int64         // Bytes of one list, not compressed; 0: 32 KiB.
	Min, Max  time.Duration // Between two sendings; 0: 5 and 10 minutes.
	PerSecond float64       // Events; 0: any number.

	After func(time.Duration) <-chan time.Time // The clock; nil: time.After.
}

// Sink writes events. Write may be called by any number of goroutines, Run by one.
type Sink struct {
	options  Options
	queue    chan authz.Event
	limiter  *rate.Limiter
	complain *rate.Limiter
	dropped  atomic.Int64
	waiting  buffer
}

// New returns a Sink that holds events until it runs.
func New(o Options) *Sink {
	if o.Events <= 0 {
		o.Events = defaultEvents
	}
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.Upload <= 0 {
		o.Upload = defaultUpload
	}
	if o.Min <= 0 && o.Max <= 0 {
		o.Min, o.Max = defaultMin, defaultMax
	}
	o.Max = max(o.Max, o.Min)
	if o.After == nil {
		o.After = time.After
	}
	limit := rate.Inf
	if o.PerSecond > 0 {
		limit = rate.Limit(o.PerSecond)
	}
	return &Sink{
		options: o, queue: make(chan authz.Event, o.Events), limiter: rate.NewLimiter(limit, max(1, int(o.PerSecond))),
		complain: rate.NewLimiter(rate.Every(complainAtEvery), 1), waiting: buffer{limit: o.Buffer},
	}
}

// Write takes an event, or drops it. It never waits.
func (s *Sink) Write(e authz.Event) {
	if !s.limiter.Allow() {
		s.dropped.Add(1)
		return
	}
	select {
	case s.queue <- e:
	default:
		s.dropped.Add(1)
	}
}

// Dropped returns how many events were dropped so far.
func (s *Sink) Dropped() int64 { return s.dropped.Load() }

// Run writes events until ctx ends, and what has come until then within five seconds more.
func (s *Sink) Run(ctx context.Context) {
	failures := 0
	due := s.options.After(s.pause(failures))
	for {
		select {
		case e := <-s.queue:
			s.take(e)
			continue
		case <-due:
		case <-ctx.Done():
			s.finish(ctx)
			return
		}
		if err := s.send(ctx); err != nil {
			failures++
			s.warn("decision log not sent", err)
		} else {
			failures = 0
		}
		due = s.options.After(s.pause(failures))
	}
}

func (s *Sink) pause(failures int) time.Duration {
	shortest, longest := s.options.Min, s.options.Max
	if failures > 0 {
		longest = min(longest, retryMost, retryFirst<<min(failures-1, 10))
		shortest = longest / 2
	}
	return shortest + time.Duration(rand.Float64()*float64(longest-shortest))
}

// finish writes what is in the queue, and sends what waits.
func (s *Sink) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
	defer cancel()
	for {
		select {
		case e := <-s.queue:
			s.take(e)
			continue
		default:
		}
		break
	}
	if err := s.send(ctx); err != nil {
		s.warn("decision log not sent", err)
	}
}

// line is an event as OPA's console logger writes it.
type line struct {
	authz.Event

	Level string    `json:"level"`
	Words string    `json:"msg"`
	Time  time.Time `json:"time"`
	Type  string    `json:"type"`
}

// take encodes an event: a policy may have answered what JSON cannot say, and such an event is dropped.
func (s *Sink) take(e authz.Event) {
	e.Labels = s.options.Labels
	if s.options.Console != nil {
		text, err := json.Marshal(line{e, "info", "Decision Log", e.Timestamp, "openpolicyagent.org/decision_logs"})
		if err == nil {
			_, err = s.options.Console.Write(append(text, '\n'))
		}
		if err != nil {
			s.dropped.Add(1)
			s.warn("decision log not written", err)
		}
	}
	if s.options.Send == nil {
		return
	}
	text, err := json.Marshal(e)
	if err != nil {
		s.dropped.Add(1)
		s.warn("decision log not written", err)
		return
	}
	s.dropped.Add(s.waiting.add(text))
}

// warn logs, but not for every event.
func (s *Sink) warn(what string, err error) {
	if s.complain.Allow() {
		s.options.Logger.Warn(what, "dropped", s.Dropped(), "error", err)
	}
}
