package main

import (
	"context"
	"errors"
	"fmt"
)

// Targets of requests through an Envoy, in CPU time of all gateway processes of what a bare Envoy takes.
const (
	noHopTarget  = 1.6
	oneHopTarget = 4
	shareTarget  = 1.25
	moreTarget   = 1.05 // Of a Check that spends a limit, in what the same takes without.
)

// throughEnvoy measures requests through an Envoy that Gatehouse configures and serves, against requests through a bare one to
// the same backends.
func (b *bench) throughEnvoy(ctx context.Context) (err error) {
	binary, err := b.wrkBinary()
	if err != nil {
		return err
	}
	k, err := b.openBank(ctx, "through")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	ours, err := k.join(ctx, "edge", "edge-1", k.services())
	if err != nil {
		return err
	}
	floor, port, err := k.bareEnvoy(ctx)
	if err != nil {
		return err
	}
	variants := []struct {
		what, base, token string
		goal              float64
	}{
		{"public route, no hop", "/open", "", 0},
		{"token, no hop", "/token", k.token, 0},
		{"token and role, no hop", "/role", k.token, noHopTarget},
		{"public route, its share of a limit, no hop", "/share", "", shareTarget},
		{"token, role and its share of a limit, no hop", "/role-share", k.token, 0},
		{"token, role and a local limit, no hop", "/role-local", k.token, noHopTarget},
		{"public route, a local limit by address, no hop", "/local", "", 0},
		{"public route, seven header rules, no hop", "/headers", "", 0},
		{"token and policy, 1 hop", "/policy", k.token, 0},
		{"token, policy and limit, 1 hop", "/payments", k.token, oneHopTarget},
	}
	subjects := []subject{b.loadOf(binary, "bare", fmt.Sprintf("http://127.0.0.1:%d%s", port, customerPath), "", floor...)}
	for _, v := range variants {
		if err := get(ctx, k.url(v.base), bearer(v.token)); err != nil {
			return err
		}
		subjects = append(subjects, b.loadOf(binary, v.what, k.url(v.base), v.token, ours.PID(), k.gatehouse.pid))
	}
	var taken [][]sample
	err = b.profiled(k.gatehouse, "through", func() (err error) {
		taken, err = inTurns(ctx, b.turns, b.pace.wrk, subjects...)
		return err
	})
	if err != nil {
		return err
	}
	for i, v := range variants {
		b.table.compare(v.what+": CPU of Envoy and Gatehouse per request", "us",
			of(taken[i+1], sample.cost), of(taken[0], sample.cost), target{bound: v.goal})
		b.table.compare(v.what+": of it Gatehouse", "us", of(taken[i+1], sample.partCost), of(taken[0], sample.cost), target{})
		b.table.compare(v.what+": requests/s", "/s", of(taken[i+1], sample.rate), of(taken[0], sample.rate), target{})
	}
	last := len(variants)
	b.table.compare("a limit inside the Check, to the Check alone: CPU of Envoy and Gatehouse per request", "us",
		of(taken[last], sample.cost), of(taken[last-1], sample.cost), target{bound: moreTarget})
	return nil
}
