package redis

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// lookAgain is how long calls are refused here before the server is asked once more: within it what another replica has reset,
	// granted or given back is not known here.
	lookAgain = 100 * time.Millisecond
	// lookMost bounds for how long what was said is used at all.
	lookMost = time.Minute
	// Of how many buckets refusals are kept: 16,384, some 2 MiB.
	refusalShards  = 64
	refusalsMost   = 256
	refusalsLooked = 4 // How many are looked at for one to drop, where a shard is full.
)

// refusals are what the server refused and is known to refuse until some time: what costs as much is refused here till then,
// without asking. Nothing but time gives a bucket back what was spent, and what gives it back otherwise, at this replica, makes
// it forgotten here. The zero value is ready.
type refusals struct {
	kept   atomic.Int64 // So that nobody looks while there is none.
	shards [refusalShards]refusalShard
}

type refusalShard struct {
	sync.Mutex
	known   map[hash]standing
	changes uint64 // How often a bucket of it was given something back.
}

// standing is how a bucket stood when a call was refused. Times are the store's own.
type standing struct {
	window limiter.Window
	result limiter.Result
	cost   int64         // What was asked for.
	asked  time.Duration // When: before the server said so.
	until  time.Duration // Up to when it stands like that if nobody gives it anything.
	look   time.Duration // From when on it is asked once more.
}

// stood returns the standing of a bucket that nobody can change but by giving something: spending what remains does not make
// what is refused admitted.
func stood(w limiter.Window, r limiter.Result, cost int64, asked time.Duration) standing {
	until := asked + lookMost
	if r.Reset > 0 { // Then more remains.
		until = min(until, asked+r.Reset)
	}
	if !r.OK {
		until = min(until, asked+r.Retry)
	}
	return standing{window: w, result: r, cost: cost, asked: asked, until: until, look: min(asked+lookAgain, until)}
}

func (h hash) refusalShard() int { return int(h[0]) % refusalShards }

// refuse answers a call where that is known to be refused. Otherwise changes is what learn is to be told once the server answers.
func (r *refusals) refuse(charges []ratelimit.Charge, hashes []hash, results []limiter.Result, now time.Duration) (refused bool, changes uint64) {
	known := r.kept.Load() > 0
	for i := range charges {
		c := &charges[i]
		shard := &r.shards[hashes[i].refusalShard()]
		shard.Lock()
		changes += shard.changes
		if !known || c.Cost < 0 || c.Beyond || c.Always && c.Cost != 0 {
			shard.Unlock()
			known = false
			continue
		}
		known = shard.stands(hashes[i], c, &results[i], now)
		shard.Unlock()
		refused = refused || !results[i].OK && !c.Shadow
	}
	return refused && known, changes
}

// stands fills in how a charge fares, if that is known.
func (s *refusalShard) stands(h hash, c *ratelimit.Charge, result *limiter.Result, now time.Duration) bool {
	was, ok := s.known[h]
	if !ok || was.window != c.Window || now >= was.until {
		return false
	}
	if now >= was.look {
		was.look = now + lookAgain // This call asks; those that come meanwhile need not.
		s.known[h] = was
		return false
	}
	passed := now - was.asked
	*result = limiter.Result{OK: true, Remaining: was.result.Remaining, Reset: max(was.result.Reset-passed, 0)}
	if c.Cost <= was.result.Remaining { // It is another charge that is refused.
		return true
	}
	if was.result.OK || c.Cost < was.cost {
		return false
	}
	// For what costs more it is the least that it can be.
	result.OK, result.Retry = false, was.result.Retry-passed
	if c.Cost > c.Window.Most() && !c.Window.Kind.Aligned() {
		result.Retry = c.Window.Per // For ever.
	}
	return true
}

// learn takes in how the buckets of a call stood that was asked at some time.
func (r *refusals) learn(charges []ratelimit.Charge, hashes []hash, results []limiter.Result, refused bool, asked time.Duration, changes uint64) {
	if !refused {
		if r.kept.Load() > 0 {
			for i := range hashes {
				r.forget(hashes[i], false)
			}
		}
		return
	}
	for i := range hashes {
		changes -= r.changesOf(hashes[i])
	}
	if changes != 0 {
		return // What the server said may be of before.
	}
	for i := range charges {
		c := &charges[i]
		if c.Cost < 0 || c.Beyond || c.Always || c.Window.Limit <= 0 && results[i].Reset > 0 {
			r.forget(hashes[i], false) // It was spent from, or something is spent of nothing.
			continue
		}
		cost := max(c.Cost, 0)
		for j := range i { // Charges on one bucket add up.
			if hashes[j] == hashes[i] {
				cost += min(max(charges[j].Cost, 0), limitMost)
			}
		}
		r.keep(hashes[i], stood(c.Window, results[i], cost, asked))
	}
}

func (r *refusals) changesOf(h hash) uint64 {
	shard := &r.shards[h.refusalShard()]
	shard.Lock()
	defer shard.Unlock()
	return shard.changes
}

func (r *refusals) keep(h hash, s standing) {
	shard := &r.shards[h.refusalShard()]
	shard.Lock()
	defer shard.Unlock()
	if shard.known == nil {
		shard.known = map[hash]standing{}
	}
	if _, ok := shard.known[h]; !ok {
		if len(shard.known) >= refusalsMost {
			shard.drop()
			r.kept.Add(-1)
		}
		r.kept.Add(1)
	}
	shard.known[h] = s
}

// drop makes room: of some the one that was asked about longest ago.
func (s *refusalShard) drop() {
	var oldest hash
	looked := 0
	for h, was := range s.known {
		if looked == 0 || was.asked < s.known[oldest].asked {
			oldest = h
		}
		if looked++; looked == refusalsLooked {
			break
		}
	}
	delete(s.known, oldest)
}

// forget drops what is known of a bucket; changed: because it was given something back.
func (r *refusals) forget(h hash, changed bool) {
	shard := &r.shards[h.refusalShard()]
	shard.Lock()
	defer shard.Unlock()
	if _, ok := shard.known[h]; ok {
		delete(shard.known, h)
		r.kept.Add(-1)
	}
	if changed {
		shard.changes++
	}
}
