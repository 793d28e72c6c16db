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

	mu     sync.Mutex
	stream *stream // by mu

	sent [kinds]struct{ responses, bytes atomic.Uint64 }
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
	deadline := time.NewTimer(s.server.settings.Barrier)
	deadline.Stop()
	defer deadline.Stop()
	var before progress
	for {
		out, err := s.next(ctx, deadline.C, before.waiting)
		if err != nil {
			return err
		}
		if err := s.enqueue(ctx, out); err != nil {
			return err
		}
		now := s.progress()
		if now.acknowledged != before.acknowledged {
			s.log.InfoContext(ctx, "node acknowledged a revision", "revision", now.acknowledged.revision)
			s.server.settings.Changed(s.id.fleet)
		}
		if now.waiting != before.waiting {
			deadline.Stop()
			if now.waiting != 0 {
				deadline.Reset(s.server.settings.Barrier)
			}
		}
		before = now
	}
}

// next waits for the next event and returns what is to be sent for it.
func (s *session) next(ctx context.Context, deadline <-chan time.Time, waiting uint64) ([]output, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.server.stop:
		return nil, errStopping
	case req := <-s.requests:
		return s.request(ctx, req)
	case <-s.wakeup:
		return s.use(), nil
	case <-deadline:
		return s.expire(ctx, waiting), nil
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
	out, rejected, err := s.stream.Request(req)
	s.mu.Unlock()
	if errors.Is(err, errUnservedType) {
		s.log.DebugContext(ctx, "request ignored", "error", err)
		return nil, nil
	}
	if err == nil && rejected != nil {
		s.refused(ctx, rejected)
	}
	return out, err
}

// refused records a refusal and logs it, once.
func (s *session) refused(ctx context.Context, r *rejection) {
	refusal := newRefusal(r, s.server.settings.Now())
	s.server.nodes.refused(s, refusal)
	s.server.counters[r.kind].refusals.Add(1)
	s.log.WarnContext(ctx, "node refused a response", "type", refusal.Type, "resources", refusal.Names(),
		"total", refusal.Total, "origins", refusal.Origins(), "error", refusal.Text)
	s.server.settings.Changed(s.id.fleet)
}

// use gives the stream the present snapshot of its node, if that is another one.
func (s *session) use() []output {
	next := s.server.snapshot(s.id)
	if !s.secret {
		next = next.withoutSecrets()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if next == nil || next == s.stream.target {
		return nil
	}
	return s.stream.Use(next)
}

// expire ends a wait that took too long.
func (s *session) expire(ctx context.Context, id uint64) []output {
	s.log.WarnContext(ctx, "node did not acknowledge in time, delivery goes on", "waited", s.server.settings.Barrier)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Expire(id)
}

// progress is what of a stream's state makes its session act.
type progress struct {
	waiting      uint64 // the wait that is to be bounded; 0: none
	acknowledged word   // the last snapshot that was acknowledged whole
}

func (s *session) progress() progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return progress{s.stream.Waiting(), s.stream.acknowledged}
}

// outline says how the node stands now, without its types.
func (s *session) outline() Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sketch()
}

// sketch is outline for who holds the lock.
func (s *session) sketch() Node {
	node := s.node
	node.State = s.stream.state()
	said := s.stream.acknowledged
	if said == (word{}) && s.stream.resumed {
		said = s.former
	}
	node.Acknowledged, node.AcknowledgedSnapshot = said.revision, said.snapshot
	if s.stream.target != nil {
		node.Revision, node.Snapshot = s.stream.target.revision, s.stream.target.version
	}
	return node
}

// describe says how the node stands now.
func (s *session) describe() Node {
	s.mu.Lock()
	node := s.sketch()
	node.Types = s.stream.status()
	s.mu.Unlock()
	for i := range node.Types {
		k, _ := kindOf(node.Types[i].Type)
		node.Types[i].Responses = s.sent[k].responses.Load()
		node.Types[i].Bytes = s.sent[k].bytes.Load()
	}
	return node
}
