package keys

import (
	"sync/atomic"
	"time"
)

// Use is about when a key was used last.
type Use struct {
	ID   string
	Last time.Time // To five minutes.
}

// firstUse notes a use of a row, and reports whether it is the first for some minutes. The shard is locked, at least for reading.
func (s *shard) firstUse(at uint32, now int64) bool {
	used := &s.rows[at].used
	slot := uint32(now - now%usedEvery) //nolint:gosec // Until 2106.
	before := atomic.LoadUint32(used)
	return before < slot && atomic.CompareAndSwapUint32(used, before, slot)
}

// noteUse keeps a use until it is told. It happens once for each key in some minutes.
func (s *shard) noteUse(key packed, now int64) {
	s.usedMu.Lock()
	defer s.usedMu.Unlock()
	if s.used == nil {
		s.used = map[packed]time.Time{}
	}
	s.used[key] = time.Unix(now, 0).UTC()
}

// Used tells which keys were used and not told yet, at most so many; it returns fewer only where there are no more. Each is told
// once.
func (t *Table) Used(most int) []Use {
	var told []Use
	for i := range t.shards {
		told = t.shards[i].tell(told, most)
		if len(told) >= most {
			break
		}
	}
	return told
}

// tell adds to what is told.
func (s *shard) tell(told []Use, most int) []Use {
	s.usedMu.Lock()
	defer s.usedMu.Unlock()
	for key, last := range s.used {
		if len(told) >= most {
			return told
		}
		told = append(told, Use{ID: key.String(), Last: last})
		delete(s.used, key)
	}
	s.used = nil
	return told
}
