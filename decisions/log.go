package decisions

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse/gatehouse/gateway"
)

const (
	// queueLength and queueBytes bound what waits to be written.
	queueLength = 16 << 10
	queueBytes  = 64 << 20
	// gatherTime is how long decisions gather before they are written together: a wake-up for each would cost more than its writing.
	gatherTime = 20 * time.Millisecond
	// batchBytes is how much is handed to the sinks at once.
	batchBytes = 64 << 10
	// complainEvery bounds the log of what goes wrong.
	complainEvery = 30 * time.Second
)

// Pending is a decision that is not written yet. Its methods are called by one goroutine, after the request was answered.
type Pending interface {
	// Fleet returns the fleet whose Envoy asked, "" where nobody says.
	Fleet() string
	// Decision returns the record, without secrets; with its input where that is asked for.
	Decision(input bool) gateway.Decision
	// Weight returns about how many bytes are held while it waits.
	Weight() int
}

// Settings are how the decisions of one fleet are written.
type Settings struct {
	Input  bool   // With the policies' input.
	Editor Editor // nil: nobody changes what is written.
}

// Options of a Log. All but Logger may be left out.
type Options struct {
	Logger   *slog.Logger
	Journal  *Journal                    // nil: nothing is kept on disk. The Log closes it.
	Lines    io.WriteCloser              // Gets JSON lines, whole ones with each Write; nil: nobody does. The Log closes it.
	Settings func(fleet string) Settings // Asked for each decision; nil: the zero value for all.
	Queue    int                         // How many may wait; 0: 16,384.
	Bytes    int64                       // How many bytes of requests may wait; 0: 64 MiB.
	Now      func() time.Time            // nil: time.Now.
	Editing  time.Duration               // How long Editors may take for one decision; 0: 100 ms.
}

// Log writes decisions. Its methods may be called by any number of goroutines.
type Log struct {
	options Options
	queue   chan Pending
	waiting atomic.Int64 // Bytes in the queue.
	awake   atomic.Bool
	wake    chan struct{}
	outputs []*output
	said    *rate.Limiter

	stopOnce sync.Once
	stopping chan struct{}
	ended    chan struct{}

	written, dropped, left, uneditable atomic.Uint64
}

// New returns a Log that writes until Stop.
func New(o Options) *Log {
	if o.Queue == 0 {
		o.Queue = queueLength
	}
	if o.Bytes == 0 {
		o.Bytes = queueBytes
	}
	if o.Settings == nil {
		o.Settings = func(string) Settings { return Settings{} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Editing == 0 {
		o.Editing = 100 * time.Millisecond
	}
	l := &Log{
		options: o, queue: make(chan Pending, o.Queue), wake: make(chan struct{}, 1), said: rate.NewLimiter(rate.Every(complainEvery), 1),
		stopping: make(chan struct{}), ended: make(chan struct{}),
	}
	if o.Journal != nil {
		l.outputs = append(l.outputs, newOutput("journal", o.Logger, journalSink{o.Journal}))
	}
	if o.Lines != nil {
		l.outputs = append(l.outputs, newOutput("log", o.Logger, lineSink{o.Lines}))
	}
	go l.run()
	return l
}

// Put takes a decision to be written. It returns at once: where the queue is full, the decision is dropped and counted.
func (l *Log) Put(p Pending) {
	weight := int64(p.Weight())
	if l.waiting.Add(weight) > l.options.Bytes {
		l.drop(weight)
		return
	}
	select {
	case l.queue <- p:
	default:
		l.drop(weight)
		return
	}
	if !l.awake.Load() && l.awake.CompareAndSwap(false, true) {
		l.wake <- struct{}{} // Whoever changed awake is alone until it is taken out.
	}
}

func (l *Log) drop(weight int64) {
	l.waiting.Add(-weight)
	l.dropped.Add(1)
	if l.said.AllowN(l.options.Now(), 1) {
		l.options.Logger.Warn("decisions are dropped: more come than can be written", "dropped", l.dropped.Load())
	}
}

// run writes what gathers, until Stop.
func (l *Log) run() {
	defer func() {
		for _, o := range l.outputs {
			close(o.queue)
		}
		close(l.ended)
	}()
	gather := time.NewTimer(gatherTime)
	for {
		select {
		case <-l.wake:
		case <-l.stopping:
			l.drain()
			return
		}
		gather.Reset(gatherTime)
		select {
		case <-gather.C:
		case <-l.stopping:
		}
		l.awake.Store(false) // Before the queue is looked at: what comes later wakes again.
		l.drain()
	}
}

// drain renders what waits and hands it to the sinks.
func (l *Log) drain() {
	var b batch
	for {
		select {
		case p := <-l.queue:
			l.waiting.Add(-int64(p.Weight()))
			l.render(&b, p)
			if len(b.text) >= batchBytes {
				l.hand(&b)
			}
			continue
		default:
		}
		if len(b.text) > 0 {
			l.hand(&b)
		}
		return
	}
}

// render appends a decision to a batch. What panics, or what an Editor cannot read, is left out: what is not masked is not written.
func (l *Log) render(b *batch, p Pending) {
	begun := len(b.text)
	defer func() {
		if cause := recover(); cause != nil {
			b.text = b.text[:begun]
			l.uneditable.Add(1)
			l.complain(fmt.Errorf("it panicked: %T", cause))
		}
	}()
	settings := l.options.Settings(p.Fleet())
	d := p.Decision(settings.Input)
	if settings.Editor != nil {
		ctx, cancel := context.WithTimeout(context.Background(), l.options.Editing)
		defer cancel()
		keep, err := edit(ctx, settings.Editor, &d)
		switch {
		case err != nil:
			l.uneditable.Add(1)
			l.complain(err)
			return
		case !keep:
			l.left.Add(1)
			return
		}
	}
	b.add(&d)
	l.written.Add(1)
}

func (l *Log) complain(err error) {
	if l.said.AllowN(l.options.Now(), 1) {
		l.options.Logger.Error("a decision cannot be written", "error", err)
	}
}

// hand gives a batch to every sink, and begins the next.
func (l *Log) hand(b *batch) {
	for _, o := range l.outputs {
		o.put(*b)
	}
	*b = batch{text: make([]byte, 0, batchBytes+batchBytes/4), marks: make([]mark, 0, len(b.marks))}
}

// Stop writes what waits and closes the sinks. What is not written when ctx ends is lost; then its error is returned.
func (l *Log) Stop(ctx context.Context) error {
	l.stopOnce.Do(func() { close(l.stopping) })
	select {
	case <-l.ended:
	case <-ctx.Done():
		return fmt.Errorf("write the last decisions: %w", ctx.Err())
	}
	for _, o := range l.outputs {
		if err := o.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Counts are what became of decisions since the Log was made. Every number only grows, but Waiting.
type Counts struct {
	Written uint64 // Handed to the sinks.
	Dropped uint64 // The queue was full.
	Left    uint64 // A policy said that they are not to be written.
	Failed  uint64 // They could not be masked, so they were not written.
	Waiting int
	Lost    map[string]uint64 // By sink ("journal", "log"): it was away, too slow, or had no room.
}

// Counts returns what was counted up to now.
func (l *Log) Counts() Counts {
	c := Counts{
		Written: l.written.Load(), Dropped: l.dropped.Load(), Left: l.left.Load(), Failed: l.uneditable.Load(), Waiting: len(l.queue),
		Lost: map[string]uint64{},
	}
	for _, o := range l.outputs {
		c.Lost[o.name] = o.lost.Load()
	}
	return c
}
