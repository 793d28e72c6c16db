package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gatehouse/gatehouse/admin"
)

// Targets of Checks, in what the same Check costs an empty server.
const (
	constantTarget  = 1.6
	roleTarget      = 2.2 // Also with an API key.
	signedTarget    = 2.8
	slowTarget      = 1.5  // Of the slowest of a hundred.
	recordedTarget  = 0.3  // What recording may add, without the input document.
	manyTarget      = 1.05 // Of the same policy's Check without the others.
	policiesBeside  = 2000
	policiesInShort = 200
)

// checked is a policy whose Checks are measured.
type checked struct {
	name, what, base string
	shown            proof
	goal, slow       float64
}

func checkedPolicies(token, key string) []checked {
	return []checked{
		{"constant", "Check, constant policy", "/constant-check", proof{}, constantTarget, slowTarget},
		{"role", "Check, role policy on given claims", "/role-check", bearer(token), roleTarget, slowTarget},
		{"signed", "Check, HS256 verified in Rego", "/signed-check", bearer(symmetricToken()), signedTarget, slowTarget},
		{"key", "Check, API key and a policy on its scopes", "/key-check", proof{"x-api-key", key}, roleTarget, slowTarget},
		{"limited", "Check, the quickstart's policy and limit", "/payments", bearer(token), 0, 0},
	}
}

// check measures Checks of several policies against those of an empty server, of which each policy has its own calls; then what
// the decision log adds, and what many policies beside it do to a policy. The daemon records no decisions, but where that is measured.
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
	key, err := k.apiKey(ctx)
	if err != nil {
		return fmt.Errorf("make an API key: %w", err)
	}
	policies := checkedPolicies(k.token, key)
	requests := make([]wanted, len(policies), len(policies)+1)
	for i, p := range policies {
		requests[i] = wanted{p.base, p.shown}
	}
	sent, err := k.capture(ctx, append(requests, wanted{"/recorded-check", bearer(k.token)})...)
	if err != nil {
		return fmt.Errorf("record what an Envoy sends: %w", err)
	}
	for i, p := range policies {
		taken, err := k.flooded(ctx, "authz", p.name, checks, flooding{floor, sent[i]}, flooding{k.gatehouse, sent[i]})
		if err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		b.table.compare(p.what+": CPU of the server per request", "us", of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: p.goal})
		b.table.compare(p.what+": requests/s", "/s", of(taken[1], sample.rate), of(taken[0], sample.rate), target{})
		b.table.compare(p.what+": one in a hundred takes", "us", of(taken[1], sample.slowest), of(taken[0], sample.slowest), target{bound: p.slow})
	}
	if err := k.checkRecorded(ctx, floor, sent[1], sent[len(policies)]); err != nil {
		return err
	}
	return k.checkAmongMany(ctx, sent[1])
}

// apiKey makes an API key in the daemon and returns its text.
func (k *bank) apiKey(ctx context.Context) (string, error) {
	client, err := admin.Dial(k.gatehouse.hello.Addresses["admin"], "")
	if err != nil {
		return "", err
	}
	if _, err := client.CreateApplication(ctx, admin.ApplicationGrant{ID: "bench"}); err != nil {
		return "", err
	}
	made, err := client.CreateKey(ctx, "bench", admin.KeyGrant{Scopes: []string{"payments:read"}})
	return made.Text, err
}

// checkRecorded measures what the decision log adds to the role policy's Check: as it is by default, and with the input document.
func (k *bank) checkRecorded(ctx context.Context, floor *child, plain, full *captured) error {
	b := k.bench
	recording, err := k.spawn(ctx, "gatehouse", k.dir, filepath.Join(b.dir, "recording"), filepath.Join(b.dir, "decisions.jsonl"))
	if err != nil {
		return err
	}
	taken, err := k.flooded(ctx, "authz", "recorded", checks, flooding{floor, plain}, flooding{k.gatehouse, plain},
		flooding{recording, plain}, flooding{recording, full})
	if err != nil {
		return err
	}
	for i, r := range []struct {
		what string
		goal target
	}{{"the decision log adds", target{bound: recordedTarget}}, {"the decision log with the input adds", target{}}} {
		more := of(taken[2+i], sample.cost)
		for turn, plain := range of(taken[1], sample.cost) {
			more[turn] -= plain
		}
		b.table.compare("Check, what "+r.what+": CPU of the server per request", "us", more, of(taken[0], sample.cost), r.goal)
	}
	return nil
}

// checkAmongMany measures the role policy's Check in a daemon with many policies.
func (k *bank) checkAmongMany(ctx context.Context, sent *captured) error {
	b := k.bench
	number := policiesBeside
	if b.short {
		number = policiesInShort
	}
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
	taken, err := k.flooded(ctx, "authz", "many", checks, flooding{k.gatehouse, sent}, flooding{many, sent})
	if err != nil {
		return err
	}
	b.table.compare(fmt.Sprintf("Check, role policy among %s policies: CPU of the server per request", grouped(number)), "us",
		of(taken[1], sample.cost), of(taken[0], sample.cost), target{bound: manyTarget})
	return nil
}
