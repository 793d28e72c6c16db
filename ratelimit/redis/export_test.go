package redis

import (
	"strconv"
	"time"
)

// Standing returns a Store whose script reads a clock of the test, which stands still, and whose keys therefore stay for long.
func Standing(o Options, clock func() time.Time) *Store {
	return newStore(o, time.Hour, func() string { return strconv.FormatInt(clock().UnixMicro(), 10) })
}

// FailuresMost is after how many failures in a row no call is made any more.
const FailuresMost = failuresMost
