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
