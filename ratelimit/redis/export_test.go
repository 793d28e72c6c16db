package redis

import (
	"time"
)

// Standing returns a Store whose script reads a clock of the test, which stands still, and whose keys therefore stay for long.
func Standing(o Options, clock func() time.Time) *Store {
	return newStore(o, time.Hour, func() int64 { return clock().UnixMicro() })
}

// FailuresMost is after how many failures in a row no call is made any more.
const FailuresMost = failuresMost

// BucketKey returns the name under which a bucket is kept.
func (s *Store) BucketKey(key string) string {
	return bucketKey(s.options.Address.namespace, hashOf([]byte(key)))
}

// RefusalsKept returns of how many buckets a refusal is known here.
func (s *Store) RefusalsKept() int {
	kept := 0
	for i := range s.refusals.shards {
		s.refusals.shards[i].Lock()
		kept += len(s.refusals.shards[i].known)
		s.refusals.shards[i].Unlock()
	}
	return kept
}

// Bounds of what a Store does by itself.
const (
	LookAgain     = lookAgain
	LeaseMost     = leaseMost
	RefusalsBound = refusalShards * refusalsMost
)
