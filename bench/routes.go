package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// throughputTarget is what is left of the throughput of 10 routes when there are more.
const throughputTarget = 0.9

// operationsPerAPI is how many operations each API has where many are made.
const operationsPerAPI = 10

// routes measures one public route among 10 to 10,000: each number is a fleet of its own with one Envoy, all served by one daemon.
func (b *bench) routes(ctx context.Context) (err error) {
	binary, err := b.wrkBinary()
	if err != nil {
		return err
	}
	k := &bank{bench: b}
	defer func() { err = errors.Join(err, k.close()) }()
	if k.backends, err = k.spawn(ctx, "backends"); err != nil {
		return err
	}
	numbers := []int{10, 100, 1_000, 10_000}
	ports := make([]int, len(numbers))
	dir, err := b.subdir("routes")
	if err != nil {
		return err
	}
	for i, n := range numbers {
		if ports[i], err = freePort(ctx); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", n)), fleetOf(n, ports[i])); err != nil {
			return fmt.Errorf("write the documents: %w", err)
		}
	}
	upstream := fmt.Sprintf("schema: 1\nkind: Upstream\nname: backend\nendpoints: [{address: %q}]\n", k.backends.hello.Addresses["first"])
	if err := writeFile(filepath.Join(dir, "upstream.yaml"), upstream); err != nil {
		return fmt.Errorf("write the documents: %w", err)
	}
	if k.gatehouse, err = k.spawn(ctx, "gatehouse", dir, filepath.Join(b.dir, "routes.state")); err != nil {
		return err
	}
	var subjects []subject
	for i, n := range numbers {
		e, err := k.join(ctx, fleetName(n), fleetName(n), k.services())
		if err != nil {
			return err
		}
		url := fmt.Sprintf("http://127.0.0.1:%d/api-%d/op-%d/7", ports[i], n/operationsPerAPI/2, operationsPerAPI/2)
		if err := get(ctx, url, proof{}); err != nil {
			return err
		}
		subjects = append(subjects, b.loadOf(binary, fleetName(n), url, "", e.PID()))
	}
	taken, err := inTurns(ctx, b.turns, b.pace.wrk, subjects...)
	if err != nil {
		return err
	}
	for i, n := range numbers[1:] {
		what := "one of " + grouped(n) + " routes, against one of 10: "
		b.table.compare(what+"requests/s", "/s", of(taken[i+1], sample.rate), of(taken[0], sample.rate), target{bound: throughputTarget, atLeast: true})
		b.table.compare(what+"CPU of Envoy per request", "us", of(taken[i+1], sample.cost), of(taken[0], sample.cost), target{})
	}
	return nil
}

func fleetName(routes int) string { return fmt.Sprintf("fleet-%d", routes) }

// fleetOf returns the documents of a fleet with a number of public routes.
func fleetOf(routes, port int) string {
	var out strings.Builder
	name := fleetName(routes)
	fmt.Fprintf(&out, "schema: 1\nkind: Gateway\nname: %s\nlisteners: [{name: http, address: 127.0.0.1, port: %d}]\n", name, port)
	for api := range routes / operationsPerAPI {
		fmt.Fprintf(&out, "---\nkind: API\nname: %s-%d\nversion: v1\nexpose: [{gateway: %s, base: /api-%d}]\nto: backend\nauthenticate: none\noperations:\n",
			name, api, name, api)
		for op := range operationsPerAPI {
			fmt.Fprintf(&out, "  - {id: op-%d, method: GET, path: \"/op-%d/{id}\"}\n", op, op)
		}
	}
	return out.String()
}
