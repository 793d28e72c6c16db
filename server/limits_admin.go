package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// Limits returns the limits of the configuration in use, in order of their ids.
func (m management) Limits(context.Context) ([]admin.Limit, error) {
	counts := map[ratelimit.LimitID]ratelimit.LimitCount{}
	for _, known := range m.ratelimit.Limits() {
		counts[known.LimitID] = known.Count
	}
	found := map[string]*admin.Limit{}
	for _, r := range m.live.Load().revision.Routes {
		for i := range r.Limits {
			l := &r.Limits[i]
			one := found[l.ID()]
			if one == nil {
				one = describedLimit(l, counts[ratelimit.LimitID{Scope: l.Scope, Name: l.Name}])
				found[one.ID] = one
			}
			one.Routes++
		}
	}
	all := make([]admin.Limit, 0, len(found))
	for _, one := range found {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b admin.Limit) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func describedLimit(l *gateway.Limit, n ratelimit.LimitCount) *admin.Limit {
	one := &admin.Limit{
		ID: l.ID(), Key: append([]string{}, l.Key...), Mode: "enforce", Enforce: "exact",
		Spent: n.Spent, Refused: n.Refused, WouldRefuse: n.Over, Near: n.Near, LetThrough: n.Through, UnknownCosts: n.Unpriced,
	}
	if l.Mode == gateway.Shadow {
		one.Mode = "shadow"
	}
	if l.Enforce == gateway.Distributed {
		one.Enforce = "distributed"
	}
	for _, w := range l.Windows {
		one.Windows = append(one.Windows, w.String())
	}
	return one
}

// Bucket returns how one bucket of a limit stands.
func (m management) Bucket(ctx context.Context, b admin.BucketName) (admin.Bucket, error) {
	return m.bucket(ctx, b, m.ratelimit.Show)
}

// GrantBucket lets a bucket admit more, until its windows have passed.
func (m management) GrantBucket(ctx context.Context, b admin.BucketName, amount int64) (admin.Bucket, error) {
	return m.bucket(ctx, b, func(ctx context.Context, id ratelimit.LimitID, values map[string]string) ([]ratelimit.Standing, error) {
		return m.ratelimit.Grant(ctx, id, values, amount)
	})
}

// ResetBucket forgets what was spent from a bucket.
func (m management) ResetBucket(ctx context.Context, b admin.BucketName) (admin.Bucket, error) {
	return m.bucket(ctx, b, func(ctx context.Context, id ratelimit.LimitID, values map[string]string) ([]ratelimit.Standing, error) {
		if err := m.ratelimit.Reset(ctx, id, values); err != nil {
			return nil, err
		}
		return m.ratelimit.Show(ctx, id, values)
	})
}

// bucketLimit is how long an operator waits for the store of limits: longer than a request, which goes on without.
const bucketLimit = 2 * time.Second

// bucket does something with a bucket, and returns how it stands then.
func (m management) bucket(ctx context.Context, b admin.BucketName,
	do func(context.Context, ratelimit.LimitID, map[string]string) ([]ratelimit.Standing, error),
) (admin.Bucket, error) {
	l := m.limitNamed(b.Limit)
	switch {
	case l == nil:
		return admin.Bucket{}, fmt.Errorf("%w: there is no limit %q: listLimits tells which there are", admin.ErrNotFound, b.Limit)
	case l.Enforce == gateway.Distributed:
		return admin.Bucket{}, fmt.Errorf("%w: the limit %s is counted by each Envoy for itself, so nobody knows its bucket", admin.ErrRefused, b.Limit)
	case len(b.Values) != len(l.Key):
		return admin.Bucket{}, fmt.Errorf("%w: the limit %s is counted by %s: write a value for each part",
			admin.ErrRefused, b.Limit, keyWords(l.Key))
	}
	values := map[string]string{}
	for i, part := range l.Key {
		values[part] = b.Values[i]
	}
	ctx, cancel := context.WithTimeout(ctx, bucketLimit)
	defer cancel()
	standings, err := m.unmoved(ctx, func() ([]ratelimit.Standing, error) {
		return do(ctx, ratelimit.LimitID{Scope: l.Scope, Name: l.Name}, values)
	})
	switch {
	case errors.Is(err, ratelimit.ErrMoved):
		return admin.Bucket{}, fmt.Errorf("%w: %w", admin.ErrHandedOver, err)
	case errors.Is(err, ratelimit.ErrUnknownLimit): // The configuration changed a moment ago.
		return admin.Bucket{}, fmt.Errorf("%w: %w", admin.ErrNotFound, err)
	case err != nil:
		return admin.Bucket{}, fmt.Errorf("%w: %w", admin.ErrUnable, err)
	}
	out := admin.Bucket{BucketName: b, Windows: make([]admin.BucketWindow, len(standings))}
	for i, s := range standings {
		out.Windows[i] = admin.BucketWindow{
			Window: s.Window.String(), Limit: s.Window.Limit, Spent: s.Spent, Remaining: s.Remaining,
			Reset: int64((s.Reset + time.Second - 1) / time.Second),
		}
	}
	return out, nil
}

// movedEvery is how often a bucket is asked for that is handed over to another process.
const movedEvery = 20 * time.Millisecond

// unmoved asks for a bucket until it is kept here. While a hand-over is under way it is not; where that fails it is again, and
// otherwise a successor has it and is to be asked: that is the error then.
func (m management) unmoved(ctx context.Context, ask func() ([]ratelimit.Standing, error)) ([]ratelimit.Standing, error) {
	for {
		found, err := ask()
		if !errors.Is(err, ratelimit.ErrMoved) || m.handed.Load() {
			return found, err
		}
		timer := time.NewTimer(movedEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
	}
}

// keyWords says of what a key is made.
func keyWords(key []string) string {
	if len(key) == 0 {
		return "all requests together"
	}
	return strings.Join(key, ", ")
}

// limitNamed returns a limit of the configuration in use by its id; nil where there is none.
func (m management) limitNamed(id string) *gateway.Limit {
	for _, r := range m.live.Load().revision.Routes {
		for i := range r.Limits {
			if r.Limits[i].ID() == id {
				return &r.Limits[i]
			}
		}
	}
	return nil
}

// TopBuckets returns buckets that are close to their limit, or over it, the closest first.
func (m management) TopBuckets(_ context.Context, most int) ([]admin.TopBucket, error) {
	var all []admin.TopBucket
	for _, t := range m.ratelimit.Top() {
		l := gateway.Limit{Scope: t.Scope, Name: t.Name}
		one := admin.TopBucket{
			BucketName: admin.BucketName{Limit: l.ID()}, Used: 1 - float64(t.Remaining)/float64(max(t.Limit, 1)), Over: t.Over, Times: t.Times,
			Seen: t.Seen, Reset: int64((t.Reset + time.Second - 1) / time.Second),
		}
		for _, part := range t.Key {
			one.Values = append(one.Values, part.Value)
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b admin.TopBucket) int {
		switch {
		case a.Over != b.Over && a.Over, a.Over == b.Over && a.Used > b.Used:
			return -1
		case a.Over != b.Over, a.Used < b.Used:
			return 1
		}
		return 0
	})
	return all[:min(most, len(all))], nil
}
