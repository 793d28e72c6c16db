package server

import (
	"context"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// spending lets authorization spend limits.
type spending struct{ limits *ratelimit.Service }

// Spend asks the rate limit service of this process.
func (s spending) Spend(ctx context.Context, asked authz.Spending) (authz.Spent, error) {
	spent, err := s.limits.Spend(ctx, ratelimit.Spending{
		Rules: asked.Rules, Call: asked.Call, Cost: asked.Cost, Denied: asked.Denied, Request: asked.Request,
	})
	return authz.Spent(spent), err
}
