package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Limits returns the limits of the configuration in use.
func (c *Client) Limits(ctx context.Context) ([]Limit, error) {
	var answer struct {
		Limits []Limit `json:"limits"`
	}
	err := c.get(ctx, "/v1/limits", nil, &answer)
	return answer.Limits, err
}

// Bucket returns how a bucket stands.
func (c *Client) Bucket(ctx context.Context, b BucketName) (Bucket, error) {
	var answer Bucket
	err := c.unmoved(ctx, func() error {
		return c.get(ctx, "/v1/limits/bucket", url.Values{"limit": {b.Limit}, "value": b.Values}, &answer)
	})
	return answer, err
}

// ResetBucket forgets what was spent from a bucket, and returns how it stands then.
func (c *Client) ResetBucket(ctx context.Context, b BucketName) (Bucket, error) {
	var answer Bucket
	err := c.unmoved(ctx, func() error { return c.post(ctx, "/v1/limits/reset", b, &answer) })
	return answer, err
}

// GrantBucket lets a bucket admit more, and returns how it stands then.
func (c *Client) GrantBucket(ctx context.Context, b BucketName, amount int64) (Bucket, error) {
	var answer Bucket
	err := c.unmoved(ctx, func() error { return c.post(ctx, "/v1/limits/grant", bucketGrant{b, amount}, &answer) })
	return answer, err
}

const (
	// movedTries is how often a bucket is asked about that another process takes over, and movedWait how long the client waits
	// before it asks that one.
	movedTries = 5
	movedWait  = 100 * time.Millisecond
)

// unmoved asks about a bucket, and again, over a connection to whoever accepts one now, where its keeper says that it has nothing
// changed and keeps it no more: it hands over to a successor.
func (c *Client) unmoved(ctx context.Context, ask func() error) error {
	for try := 1; ; try++ {
		err := ask()
		refused, ok := errors.AsType[*refusedError](err)
		if !ok || refused.status != http.StatusServiceUnavailable || try == movedTries {
			return err
		}
		c.http.CloseIdleConnections()
		timer := time.NewTimer(movedWait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// TopBuckets returns who is close to a limit, or over it.
func (c *Client) TopBuckets(ctx context.Context, most int) ([]TopBucket, error) {
	var answer struct {
		Buckets []TopBucket `json:"buckets"`
	}
	err := c.get(ctx, "/v1/limits/top", given("most", strconv.Itoa(most)), &answer)
	return answer.Buckets, err
}
