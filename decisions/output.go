package decisions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/gatehouse/gatehouse/gateway"
)

// outputLength is how many batches wait for one sink.
const outputLength = 64

// batch is some decisions, as JSON lines. It is not changed once it was handed on.
type batch struct {
	text  []byte
	marks []mark
}

// mark says where a line of a batch ends, and what the journal must know of it.
type mark struct {
	end     int
	refused bool
	request uint64 // Of the request's id.
}

func (b *batch) add(d *gateway.Decision) {
	b.text = append(Append(b.text, d), '\n')
	b.marks = append(b.marks, mark{end: len(b.text), refused: d.Refused(), request: hash(d.RequestID)})
}

// sink takes batches, one after another.
type sink interface {
	write(b batch) error
	close() error
}

// output feeds one sink on a goroutine of its own, so that a sink that blocks holds up no other.
type output struct {
	name   string
	logger *slog.Logger
	sink   sink
	queue  chan batch
	ended  chan struct{}
	err    error // Of closing; after ended.
	broken bool  // The last write failed; by the goroutine.
	lost   atomic.Uint64
}

func newOutput(name string, logger *slog.Logger, s sink) *output {
	o := &output{name: name, logger: logger, sink: s, queue: make(chan batch, outputLength), ended: make(chan struct{})}
	go o.run()
	return o
}

func (o *output) put(b batch) {
	select {
	case o.queue <- b:
	default:
		o.lost.Add(uint64(len(b.marks)))
	}
}

func (o *output) run() {
	defer close(o.ended)
	for b := range o.queue {
		err := o.sink.write(b)
		if err != nil {
			o.lost.Add(uint64(len(b.marks)))
		}
		switch {
		case err != nil && !o.broken:
			o.logger.Error("decisions cannot be written: it is tried on", "sink", o.name, "error", err)
		case err == nil && o.broken:
			o.logger.Info("decisions are written again", "sink", o.name, "lost", o.lost.Load())
		}
		o.broken = err != nil
	}
	o.err = o.sink.close()
}

// await returns once what waited is written and the sink is closed.
func (o *output) await(ctx context.Context) error {
	select {
	case <-o.ended:
		return o.err
	case <-ctx.Done():
		return fmt.Errorf("write the last decisions to the %s: %w", o.name, ctx.Err())
	}
}

// lineSink writes JSON lines.
type lineSink struct{ to io.WriteCloser }

func (s lineSink) write(b batch) error {
	if _, err := s.to.Write(b.text); err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	return nil
}

func (s lineSink) close() error { return s.to.Close() }

// journalSink writes into a journal.
type journalSink struct{ journal *Journal }

func (s journalSink) write(b batch) error { return s.journal.write(b) }

func (s journalSink) close() error { return s.journal.Close() }

// Unclosed returns a writer that is not closed with the Log, for writers that belong to others, as the standard output does.
func Unclosed(w io.Writer) io.WriteCloser { return unclosed{w} }

type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }

// errClosed is returned once what is asked is closed.
var errClosed = errors.New("the decision journal is closed")
