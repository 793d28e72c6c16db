package ratelimit

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Charge is what one limit asks of one request: to spend Cost from the bucket named by Key.
type Charge struct {
	// Key names the bucket and no other (see bucketKey). A store must not keep the slice: its bytes are used again.
	Key    []byte
	Window limiter.Window
	// Cost is what is spent. 0 only looks; below 0 gives back what was spent, and no more than that: no other charge of the
	// same call is admitted by it.
	Cost int64
	// Shadow is a charge whose refusal refuses no other: where the others are admitted, it is spent if it is admitted too.
	Shadow bool
	// Always is a charge that is spent, as far as it is admitted itself, also where another is refused.
	Always bool
	// Grant makes a Cost below 0 give more than was spent: until the window has passed, more than Limit is admitted.
	Grant bool
	// Beyond is a charge that is always admitted, whatever remains, as what it tells of was used already.
	Beyond bool
	// Lease is how much may be borrowed from a shared store at a time and spent without asking it; 0: nothing.
	Lease int64
}

// ErrMoved tells that a store's buckets are kept by another process now: nothing was spent, and that one is to be asked.
var ErrMoved = errors.New("the buckets are kept by another process now")

// Store keeps buckets. Its own clock says what time it is, so that all who share a store share a time.
type Store interface {
	// Spend spends every charge or, where a single one that is no Shadow is refused, none but those that are Always; it says
	// which. A charge that is refused itself is never spent. It fills in results, one for each charge: whether it was admitted
	// itself, and how the bucket stands after the call. Charges on the same bucket add up, whether spent or not. An error means
	// that the store could not be asked; what was spent is unknown then. Spend is safe for concurrent use and exact under it.
	Spend(ctx context.Context, charges []Charge, results []limiter.Result) (bool, error)
	// Reset forgets what was spent from some buckets, named as in Charge.Key.
	Reset(ctx context.Context, keys [][]byte) error
}

// Rememberer is a Store that remembers by itself which calls have spent, for all who share it: Envoy may ask another replica
// the second time.
type Rememberer interface {
	// SpendOnce is Store.Spend for a call that has an id. Where the call has spent before, within some seconds, again is true
	// and nothing is spent: it only looks.
	SpendOnce(ctx context.Context, id CallID, charges []Charge, results []limiter.Result) (ok, again bool, err error)
}
