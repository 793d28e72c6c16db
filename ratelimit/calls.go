package ratelimit

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/envoy"
)

const (
	// remembered is how long at least a call is known by its id: a spend that is tried again within that time spends nothing
	// more, except beyond maxCalls.
	remembered = 10 * time.Second
	// maxCalls bounds how many calls are remembered, twice: 26,000 a second for 10 s. Beyond it they are forgotten sooner.
	maxCalls   = 1 << 18
	callShards = 16
)

// CallID names one limit call in all its attempts: a UUID, which Envoy makes.
type CallID [16]byte

// calls remembers which calls have spent. The zero value is not usable.
type calls struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [callShards]callShard
}

// callShard holds a part of the calls, in two generations: those of at least the last 10 s are in one of both.
type callShard struct {
	sync.Mutex
	began         time.Time // Of the recent generation.
	recent, older map[CallID]struct{}
}

func newCalls(now func() time.Time) *calls {
	return &calls{now: now, seed: maphash.MakeSeed()}
}

// shard returns the shard of a call, which is locked.
func (c *calls) shard(id CallID) *callShard {
	s := &c.shards[maphash.Bytes(c.seed, id[:])%callShards]
	s.Lock()
	if now := c.now(); now.Sub(s.began) >= remembered || len(s.recent) >= maxCalls/callShards {
		s.older = s.recent
		if now.Sub(s.began) >= 2*remembered {
			s.older = nil
		}
		s.recent, s.began = map[CallID]struct{}{}, now
	}
	return s
}

// spent reports whether a call has spent already.
func (c *calls) spent(id CallID) bool {
	s := c.shard(id)
	defer s.Unlock()
	_, recent := s.recent[id]
	_, older := s.older[id]
	return recent || older
}

// add remembers that a call has spent. Two attempts at the same moment may both spend: early, never late.
func (c *calls) add(id CallID) {
	s := c.shard(id)
	defer s.Unlock()
	s.recent[id] = struct{}{}
}

// callOf returns the id under which Envoy makes a call; false where it names none.
func callOf(ctx context.Context) (id CallID, ok bool) {
	values := metadata.ValueFromIncomingContext(ctx, envoy.HeaderCall)
	if len(values) != 1 {
		return id, false
	}
	text := strings.ReplaceAll(values[0], "-", "")
	if len(text) != hex.EncodedLen(len(id)) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil
}

// onwards gives a call that is passed on the id under which it came.
func onwards(ctx context.Context) context.Context {
	if values := metadata.ValueFromIncomingContext(ctx, envoy.HeaderCall); len(values) == 1 {
		return metadata.AppendToOutgoingContext(ctx, envoy.HeaderCall, values[0])
	}
	return ctx
}

// ExportCalls returns which calls have spent, for ImportCalls of another process.
func (s *Service) ExportCalls() []byte {
	var out []byte
	for i := range s.calls.shards {
		shard := &s.calls.shards[i]
		shard.Lock()
		age := s.calls.now().Sub(shard.began)
		if age < 2*remembered {
			for id := range shard.recent {
				out = append(out, id[:]...)
			}
		}
		if age < remembered {
			for id := range shard.older {
				out = append(out, id[:]...)
			}
		}
		shard.Unlock()
	}
	return out
}

// ImportCalls remembers calls that another process has answered.
func (s *Service) ImportCalls(list []byte) error {
	for len(list) > 0 {
		var id CallID
		if n := copy(id[:], list); n < len(id) {
			return errors.New("read calls: the list ends within an id")
		}
		s.calls.add(id)
		list = list[len(id):]
	}
	return nil
}
