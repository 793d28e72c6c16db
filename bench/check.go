package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Targets of Checks, in what the same Check costs an empty server.
const (
	constantTarget  = 1.6
	roleTarget      = 2.2
	signedTarget    = 2.8
	slowTarget      = 1.5  // Of the slowest of a hundred.
	recordedTarget  = 0.3  // What recording may add.
	manyTarget      = 1.05 // Of the same policy's Check without the others.
	policiesBeside  = 2000
	policiesInShort = 200
)

// checked is a policy whose Checks are measured.
type checked struct {
	what, base, token string
	goal, slow        float64
}

func (b *bench) checkedPolicies(token string) []checked {
	return []checked{
		{"Check, constant policy", "/constant-check", "", constantTarget, slowTarget},
		{"Check, role policy on given claims", "/role-check", token, roleTarget, slowTarget},
		{"Check, HS256 verified in Rego", "/signed-check", symmetricToken(), signedTarget, slowTarget},
		{"Check, the quickstart's policy and limit", "/payments", token, 0, 0},
	}
}

// check measures Checks of several policies against those of an empty server, of which each policy has its own calls; then what
// the decision log adds, and what many policies beside it do to a policy.
func (b *bench) check(ctx context.Context) (err error) {
	k, err := b.openBank(ctx, "authz")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	floor, err := k.emptyServer(ctx, "authz")
	if err != nil {
		return err
	}
	policies := b.checkedPolicies(k.token)
	requests := make([]wanted, len(policies))
	for i, p := range policies {
		requests[i] = wanted{p.base, p.token}
	}
	sent, err := k.capture(ctx, requests...)
	if err != nil {
		return fmt.Errorf("record what an Envoy sends: %w", err)
	}
	for i, p := range policies {
		taken, err := k.flooded(ctx, "authz", checks, flooding{floor, sent[i]}, flooding{k.gatehouse, sent[i]})
		if err != nil {
			return err
		}
		b.table.compare(p.what+": CPU of the server per request", "us", of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: p.goal})
		b.table.compare(p.what+": requests/s", "/s", of(taken[1], sample.rate), of(taken[0], sample.rate), target{})
		b.table.compare(p.what+": one in a hundred takes", "us", of(taken[1], sample.slowest), of(taken[0], sample.slowest), target{bound: p.slow})
	}
	return k.checkBeside(ctx, floor, sent[1])
}

// checkBeside measures the role policy's Check in a daemon that records decisions, and in one with many policies.
func (k *bank) checkBeside(ctx context.Context, floor *child, sent *captured) error {
	b := k.bench
	number := policiesBeside
	if b.short {
		number = policiesInShort
	}
	recording, err := k.spawn(ctx, "gatehouse", k.dir, filepath.Join(b.dir, "recording"), filepath.Join(b.dir, "decisions.jsonl"))
	if err != nil {
		return err
	}
	taken, err := k.flooded(ctx, "authz", checks, flooding{floor, sent}, flooding{k.gatehouse, sent}, flooding{recording, sent})
	if err != nil {
		return err
	}
	more := of(taken[2], sample.cost)
	for i, plain := range of(taken[1], sample.cost) {
		more[i] -= plain
	}
	b.table.compare("Check, what the decision log adds: CPU of the server per request", "us", more, of(taken[0], sample.cost), target{bound: recordedTarget})
	dir, err := b.bankDocuments("many", k.port, k.backends.hello.Addresses)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "many.yaml"), manyPolicies(number)); err != nil {
		return err
	}
	many, err := k.spawn(ctx, "gatehouse", dir, filepath.Join(b.dir, "many.state"))
	if err != nil {
		return err
	}
	taken, err = k.flooded(ctx, "authz", checks, flooding{k.gatehouse, sent}, flooding{many, sent})
	if err != nil {
		return err
	}
	b.table.compare(fmt.Sprintf("Check, role policy among %s policies: CPU of the server per request", grouped(number)), "us",
		of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: manyTarget})
	return nil
}
