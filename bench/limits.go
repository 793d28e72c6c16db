package main

import (
	"context"
	"errors"
	"fmt"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
)

// Targets of limit calls, in what the same call costs an empty server.
const (
	limitTarget = 1.5
	fourTarget  = 2.2
	overTarget  = 1.4
)

// limited is a route whose limit calls are measured.
type limited struct {
	what, base string
	answer     rlsv3.RateLimitResponse_Code
	goal       float64
}

func limitedRoutes() []limited {
	return []limited{
		{"ShouldRateLimit, one limit", "/limited", rlsv3.RateLimitResponse_OK, limitTarget},
		{"ShouldRateLimit, four limits", "/four-limited", rlsv3.RateLimitResponse_OK, fourTarget},
		{"ShouldRateLimit, a limit that is reached", "/out-limited", rlsv3.RateLimitResponse_OVER_LIMIT, overTarget},
	}
}

// limits returns what makes limit calls that must be answered so.
func limits(code rlsv3.RateLimitResponse_Code) caller {
	return func(c *grpc.ClientConn, sent *captured) func(context.Context) error {
		client := rlsv3.NewRateLimitServiceClient(c)
		return func(ctx context.Context) error {
			a, err := client.ShouldRateLimit(ctx, sent.limit)
			// The empty server lets everything through.
			if got := a.GetOverallCode(); err == nil && got != code && (got != rlsv3.RateLimitResponse_OK || len(a.GetStatuses()) > 0) {
				err = fmt.Errorf("answered %v", a)
			}
			return err
		}
	}
}

// limit measures ShouldRateLimit over buckets in memory against calls of an empty server.
func (b *bench) limit(ctx context.Context) (err error) {
	k, err := b.openBank(ctx, "ratelimit")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	routes := limitedRoutes()
	requests := make([]wanted, len(routes))
	for i, r := range routes {
		requests[i] = wanted{r.base, bearer(k.token)}
	}
	sent, err := k.capture(ctx, requests...)
	if err != nil {
		return fmt.Errorf("record what an Envoy sends: %w", err)
	}
	floor, err := k.emptyServer(ctx, "ratelimit")
	if err != nil {
		return err
	}
	for i, r := range routes {
		taken, err := k.flooded(ctx, "ratelimit", "limit"+r.base[1:], limits(r.answer), flooding{floor, sent[i]}, flooding{k.gatehouse, sent[i]})
		if err != nil {
			return fmt.Errorf("%s: %w", r.what, err)
		}
		b.table.compare(r.what+": CPU of the server per request", "us", of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: r.goal})
		b.table.compare(r.what+": requests/s", "/s", of(taken[1], sample.rate), of(taken[0], sample.rate), target{})
	}
	return nil
}
