package analytics

import (
	"cmp"
	"slices"
)

// folds are the steps by which series become coarser, the dearest detail last. Each keeps the status class.
func folds() []func(Key) Key {
	return []func(Key) Key{
		func(k Key) Key { k.Rules = Other; return k },
		func(k Key) Key { k.Rules, k.Node = Other, Other; return k },
		func(k Key) Key { k.Rules, k.Node, k.Operation = Other, Other, Other; return k },
		func(k Key) Key {
			return Key{Fleet: Other, Node: Other, API: Other, Version: Other, Operation: Other, Rules: Other, Class: k.Class}
		},
	}
}

// fold makes room when there are more series than the limit: down to nine tenths of it, first from the half that is idle
// for longest, then, where that does not suffice, from all. It holds every lock, some milliseconds for 20,000 series, which
// the tenth that it frees makes rare.
func (r *rollups) fold() {
	r.folding.Lock()
	defer r.folding.Unlock()
	if r.size.Load() <= r.limit {
		return // Another stream folded meanwhile.
	}
	for i := range r.shards {
		r.shards[i].mu.Lock()
		defer r.shards[i].mu.Unlock()
	}
	target := r.limit * 9 / 10
	for _, divisor := range []int{2, 1} {
		for _, coarser := range folds() {
			keys := r.byIdle()
			for _, k := range keys[:len(keys)/divisor] {
				if r.size.Load() <= target {
					return
				}
				r.merge(k, coarser(k))
			}
		}
	}
}

// byIdle returns the keys of all series, idle for longest first. Every shard is locked.
func (r *rollups) byIdle() []Key {
	type idle struct {
		key  Key
		used int64
	}
	var all []idle
	for i := range r.shards {
		for k, s := range r.shards[i].series {
			all = append(all, idle{k, s.used})
		}
	}
	slices.SortFunc(all, func(a, b idle) int { return cmp.Compare(a.used, b.used) })
	keys := make([]Key, len(all))
	for i := range all {
		keys[i] = all[i].key
	}
	return keys
}

// merge adds a series to a coarser one and removes it. Every shard is locked.
func (r *rollups) merge(from, to Key) {
	if from == to {
		return
	}
	source, target := r.shard(from), r.shard(to)
	s := source.series[from]
	delete(source.series, from)
	r.folded.Add(1)
	t, ok := target.series[to]
	if !ok {
		s.counter = nil // It belongs to the finer names.
		target.series[to] = s
		return
	}
	r.size.Add(-1)
	t.sums.add(s.sums)
	t.used = max(t.used, s.used)
	switch {
	case t.latency == nil:
		t.latency = s.latency
	case s.latency != nil:
		_ = t.latency.MergeWith(s.latency) // fails only for different mappings
	}
}
