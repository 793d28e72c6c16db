package cache

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// session is one connected stream: the goroutines and bounds around a stream's state machine.
type session struct {
	server *Server
	id     identity
	node   Node // what does not change while it is connected

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

// run serves the stream until its context ends, and returns why it did; nil when the node closed it.
func (s *session) run(ctx context.Context) error {
	s.poke()
	deadline := time.NewTimer(time.Hour)
	deadline.Stop()
	defer deadline.Stop()
	var waiting uint64
	var acknowledged string
	for {
		var out []output
		var err error
		select {
		case <-ctx.Done():
			return ended(ctx)
		case <-s.server.stop:
			return errStopping
		case req := <-s.requests:
			out, err = s.request(ctx, req)
		case <-s.wakeup:
			out = s.use()
		case <-deadline.C:
			out = s.expire(ctx, waiting)
		}
		if err != nil {
			return err
		}
		for _, o := range out {
			select {
			case s.queue <- o:
			case <-ctx.Done():
				return ended(ctx)
			case <-s.server.stop:
				return errStopping
			}
		}
		now, revision := s.progress()
		if revision != acknowledged {
			acknowledged = revision
			s.server.settings.Log.InfoContext(ctx, "node acknowledged a revision", "fleet", s.id.fleet, "node", s.id.name, "revision", revision)
		}
		if now != waiting {
			waiting = now
			deadline.Stop()
			if waiting != 0 {
				deadline.Reset(s.server.settings.Barrier)
			}
		}
	}
}

// ended returns why a stream ended; nil when the node closed it.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// request takes one request of the node.
func (s *session) request(ctx context.Context, req *discoveryv3.DeltaDiscoveryRequest) ([]output, error) {
	s.mu.Lock()
	out, rejected, err := s.stream.Request(req)
	s.mu.Unlock()
	if errors.Is(err, errUnservedType) {
		s.server.settings.Log.DebugContext(ctx, "request ignored", "fleet", s.id.fleet, "node", s.id.name, "error", err)
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
	s.server.settings.Log.WarnContext(ctx, "node refused a response", "fleet", s.id.fleet, "node", s.id.name,
		"type", refusal.Type, "resources", refusal.Names(), "total", refusal.Total, "origins", refusal.Origins(),
		"error", refusal.Text)
}

// use gives the stream the present snapshot of its fleet, if that is another one.
func (s *session) use() []output {
	next := s.server.snapshot(s.id.fleet)
	s.mu.Lock()
	defer s.mu.Unlock()
	if next == nil || next == s.stream.target {
		return nil
	}
	return s.stream.Use(next)
}

// expire ends a wait that took too long.
func (s *session) expire(ctx context.Context, id uint64) []output {
	s.server.settings.Log.WarnContext(ctx, "node did not acknowledge in time, delivery goes on",
		"fleet", s.id.fleet, "node", s.id.name, "waited", s.server.settings.Barrier)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Expire(id)
}

// progress returns the wait that is to be bounded, and the last revision that was acknowledged whole.
func (s *session) progress() (waiting uint64, acknowledged string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Waiting(), s.stream.acknowledged
}

// describe says how the node stands now.
func (s *session) describe() Node {
	node := s.node
	s.mu.Lock()
	node.State, node.Types = s.stream.status()
	node.Acknowledged = s.stream.acknowledged
	if s.stream.target != nil {
		node.Revision = s.stream.target.revision
	}
	s.mu.Unlock()
	for i := range node.Types {
		k, _ := kindOf(node.Types[i].Type)
		node.Types[i].Responses = s.sent[k].responses.Load()
		node.Types[i].Bytes = s.sent[k].bytes.Load()
	}
	return node
}
