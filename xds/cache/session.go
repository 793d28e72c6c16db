package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// session is one connected stream: the goroutines and bounds around a stream's state machine.
type session struct {
	server *Server
	log    *slog.Logger // names the node
	id     identity
	node   Node // what does not change while it is connected
	secret bool // private keys may be sent to it
	former word // what the node acknowledged on its stream before

	requests <-chan *discoveryv3.DeltaDiscoveryRequest
	queue    chan output   // to the goroutine that sends
	wakeup   chan struct{} // a new snapshot may be there
	again    atomic.Bool   // what was refused is to be sent again

	mu     sync.Mutex
	stream *stream // by mu

	sent     [kinds]struct{ responses, bytes atomic.Uint64 }
	given    time.Time   // when it got what it has not acknowledged whole yet; zero: nothing
	released atomic.Bool // it is to end when nothing is on its way
}

// poke makes the session look for a new snapshot. It never blocks.
func (s *session) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default: // it will look anyway
	}
}

// run serves the stream until it ends, and returns why it did; io.EOF when the node closed it.
func (s *session) run(ctx context.Context) error {
	s.poke()
	deadlines := newDeadlines(s.server.settings)
	defer deadlines.stop()
	var before word
	for {
		out, err := s.next(ctx, deadlines)
		if err != nil {
			return err
		}
		if err := s.enqueue(ctx, out); err != nil {
			return err
		}
		waiting, acknowledged, idle := s.progress()
		if (deadlines.aged || s.released.Load()) && idle {
			return errAged
		}
		if acknowledged != before {
			s.log.InfoContext(ctx, "node acknowledged a revision", "revision", acknowledged.revision)
			s.server.settings.Changed(s.id.fleet)
			s.delivered(acknowledged)
		}
		deadlines.set(waiting, time.Now())
		before = acknowledged
	}
}

// delivered counts that the node has acknowledged all.
func (s *session) delivered(what word) {
	if !s.given.IsZero() {
		s.server.deliveries.note(s.id.fleet, what.snapshot, s.server.settings.Now().Sub(s.given))
	}
	s.given = time.Time{}
}

// next waits for the next event and returns what is to be sent for it.
func (s *session) next(ctx context.Context, deadlines *deadlines) ([]output, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.server.stop:
		return nil, errStopping
	case req := <-s.requests:
		return s.request(ctx, req)
	case <-s.wakeup:
		return s.use(), nil
	case now := <-deadlines.timer.C:
		return s.expire(ctx, deadlines.over(now)), nil
	case <-deadlines.age.C:
		deadlines.aged = true // it ends when nothing is on its way
		return nil, nil
	}
}

// enqueue hands responses to the goroutine that sends.
func (s *session) enqueue(ctx context.Context, out []output) error {
	for _, o := range out {
		select {
		case s.queue <- o:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.server.stop:
			return errStopping
		}
	}
	return nil
}

// request takes one request of the node.
func (s *session) request(ctx context.Context, req *discoveryv3.DeltaDiscoveryRequest) ([]output, error) {
	s.mu.Lock()
	out, reply, err := s.stream.Request(req)
	s.mu.Unlock()
	if errors.Is(err, errUnservedType) {
		s.log.DebugContext(ctx, "request ignored", "error", err)
		return nil, nil
	}
	if reply != nil {
		s.server.book.accepted(s.node.Envoy, reply.kind, reply.accepted)
		if reply.refused {
			s.refused(ctx, reply)
		}
	}
	return out, err
}

// refused records a refusal, and logs it once: when it comes, and when it is known which resource it was.
func (s *session) refused(ctx context.Context, r *reply) {
	s.server.counters[r.kind].refusals.Add(1)
	refusal := newRefusal(r, s.server.settings.Now())
	for name, resource := range r.proven {
		c := charge{s.node.Envoy, r.kind, name, versionOf(resource)}
		s.server.book.refused(c, s.id, resource, refusal.Text, refusal.Time, s.server.acknowledged(c, s.server.nodes.connected()))
	}
	switch {
	case r.hunted && len(r.proven) == 0:
		s.log.DebugContext(ctx, "node refused a part of what it refused before", "type", refusal.Type, "total", refusal.Total)
		return
	case r.hunted:
		s.log.WarnContext(ctx, "the refused resource is found", "type", refusal.Type, "resources", refusal.Names(),
			"origins", refusal.Origins(), "error", refusal.Text)
	default:
		s.log.WarnContext(ctx, "node refused a response", "type", refusal.Type, "resources", refusal.Names(),
			"total", refusal.Total, "origins", refusal.Origins(), "error", refusal.Text)
	}
	s.server.nodes.refused(s, refusal)
	s.server.settings.Changed(s.id.fleet)
}

// use gives the stream the present snapshot of its node, if that is another one, and sends again what is to be retried.
func (s *session) use() []output {
	next := s.server.snapshot(s.id).inZone(s.node.Zone)
	if !s.secret {
		next = next.withoutSecrets()
	}
	s.warn(next)
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []output
	if next != nil && next != s.stream.target {
		out = s.stream.Use(next)
		if s.given.IsZero() && len(out) > 0 {
			s.given = s.server.settings.Now()
		}
	}
	if s.again.Swap(false) {
		out = append(out, s.stream.Retry()...)
	}
	return out
}

// warn says that a snapshot is for a node that may not understand all of it, once for each snapshot and before it is sent.
func (s *session) warn(next *Snapshot) {
	if s.node.Warning == "" || next == nil || !s.server.nodes.warned(s.id, next.Version()) {
		return
	}
	s.log.Warn("a snapshot is for a node that is too old", "envoy", s.node.Envoy, "revision", next.Revision(), "snapshot", next.Version(),
		"warning", s.node.Warning)
}

// expire ends waits that took long enough.
func (s *session) expire(ctx context.Context, over map[wait]uint64) []output {
	var out []output
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range waits {
		id, ok := over[w]
		if !ok || s.stream.Waiting()[w] != id {
			continue
		}
		switch w {
		case made:
			s.log.WarnContext(ctx, "node did not acknowledge clusters in time, delivery goes on with what is known to be warm")
		case warmed:
			s.log.WarnContext(ctx, "clusters are not warm in time, routes to them are sent", "clusters", s.stream.awaitedNames())
		case routed:
			s.log.WarnContext(ctx, "node did not acknowledge routes in time, what they no longer use is removed")
		}
		out = append(out, s.stream.Expire(id)...)
	}
	return out
}

// progress is what of a stream's state makes its session act: the waits to be bounded, what was acknowledged whole, and whether
// nothing is on its way.
func (s *session) progress() ([waits]uint64, word, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Waiting(), s.stream.acknowledged, s.stream.idle()
}
