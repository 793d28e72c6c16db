package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	changeLimit  = 10 * time.Second      // Bounds the wait for one change.
	changePoll   = time.Millisecond      // Between two requests for what is not served yet.
	changeRest   = 30 * time.Millisecond // Between two changes.
	servedTarget = 50                    // Milliseconds from the file to the first request, at the 99th percentile.
)

// change measures how long it takes from a changed file to the first request that the new route serves, with few routes and
// with many. The floor is an Envoy that watches a file with its whole route configuration, which somebody has made before: what
// the change costs where nobody reads, checks and translates documents, and no other node is told.
func (b *bench) change(ctx context.Context) error {
	for _, routes := range []int{10, 3_000} {
		if err := b.changeAmong(ctx, routes); err != nil {
			return fmt.Errorf("%d routes: %w", routes, err)
		}
	}
	return nil
}

func (b *bench) changeAmong(ctx context.Context, routes int) (err error) {
	k := &bank{bench: b}
	defer func() { err = errors.Join(err, k.close()) }()
	if k.backends, err = k.spawn(ctx, "backends"); err != nil {
		return err
	}
	if k.port, err = freePort(ctx); err != nil {
		return err
	}
	name := fmt.Sprintf("change-%d", routes)
	if k.dir, err = b.subdir(name + ".documents"); err != nil {
		return err
	}
	if err := k.changeDocuments(routes); err != nil {
		return err
	}
	floor, err := k.watchingEnvoy(ctx, name+"-floor")
	if err != nil {
		return err
	}
	if k.gatehouse, err = k.spawn(ctx, "gatehouse", k.dir, filepath.Join(b.dir, name+".state")); err != nil {
		return err
	}
	e, err := k.join(ctx, fleetEdge, name, k.services())
	if err != nil {
		return err
	}
	pids := []int{e.PID(), k.gatehouse.pid, floor.pid}
	before, err := cpuOf(pids)
	if err != nil {
		return err
	}
	var ours, least []float64
	for i := range b.changes + 1 {
		took, err := k.served(ctx, k.port, changedPath(i), func() error { return k.writeChange(i) })
		if err != nil {
			return err
		}
		bare, err := k.served(ctx, floor.port, changedPath(i%2), func() error { return floor.write(i % 2) })
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		if i > 0 { // The first warms up.
			ours, least = append(ours, took), append(least, bare)
		}
	}
	after, err := cpuOf(pids)
	if err != nil {
		return err
	}
	spent := func(i int) float64 {
		return float64((after[i] - before[i]).Microseconds()) / 1000 / float64(b.changes+1)
	}
	what := "a changed file among " + grouped(routes) + " routes, to its first request: "
	b.table.compare(what+"p50", "ms", ours, least, target{})
	late := percentile(ours, 99)
	b.table.compare(what+"p99", "ms", []float64{late}, []float64{percentile(least, 99)}, target{bound: servedTarget, unit: "ms", value: late})
	b.table.compare(what+"CPU of Envoy and Gatehouse", "ms", []float64{spent(0) + spent(1)}, []float64{spent(2)}, target{})
	b.table.compare(what+"of it Gatehouse", "ms", []float64{spent(1)}, []float64{spent(2)}, target{})
	return nil
}

// percentile returns the value that so many of a hundred do not exceed.
func percentile(values []float64, hundredths int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)*hundredths+99)/100-1]
}

// served does something and returns how many milliseconds later a path is served. Any answer other than 404 and 200 is an
// error: a change must not cost a request.
func (k *bank) served(ctx context.Context, port int, path string, do func() error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", port, path)
	if status, err := statusOf(ctx, transport, url); err != nil || status != http.StatusNotFound {
		return 0, fmt.Errorf("before the change %s answers %d: %w", path, status, err)
	}
	began := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	tick := time.NewTicker(changePoll)
	defer tick.Stop()
	for {
		status, err := statusOf(ctx, transport, url)
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusOK:
			took := time.Since(began)
			time.Sleep(changeRest)
			return float64(took.Microseconds()) / 1000, nil
		case status != http.StatusNotFound:
			return 0, fmt.Errorf("%s answers %d, want 404 and then 200", path, status)
		}
		<-tick.C
	}
}

// statusOf sends one request on a connection that is kept.
func statusOf(ctx context.Context, transport *http.Transport, url string) (int, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", url, err)
	}
	q.Host = changedHost
	a, err := transport.RoundTrip(q)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", url, err)
	}
	_, err = io.Copy(io.Discard, a.Body)
	return a.StatusCode, errors.Join(err, a.Body.Close())
}

// changedHost is where the changed API is, and one in a hundred of the others.
const changedHost = "host-0.test"

// changedPath is a path that only the i-th form of the changed API serves.
func changedPath(i int) string { return fmt.Sprintf("/changed/form-%d", i) }

// changeDocuments writes a fleet of a number of routes, ten in each file.
func (k *bank) changeDocuments(routes int) error {
	gateway := fmt.Sprintf("schema: 1\nkind: Gateway\nname: %s\nlisteners: [{name: http, address: 127.0.0.1, port: %d}]\n", fleetEdge, k.port)
	upstream := fmt.Sprintf("---\nkind: Upstream\nname: backend\nendpoints: [{address: %q}]\n", k.backends.hello.Addresses["first"])
	if err := writeFile(filepath.Join(k.dir, "edge.yaml"), gateway+upstream); err != nil {
		return err
	}
	for i := range (routes - 1) / operationsPerAPI {
		var text strings.Builder
		fmt.Fprintf(&text, "schema: 1\nkind: API\nname: api-%d\nversion: v1\nexpose: [{gateway: %s, hosts: [host-%d.test], base: /api-%d}]\nto: backend\nauthenticate: none\noperations:\n",
			i, fleetEdge, i%fleetHosts, i)
		for op := range operationsPerAPI {
			fmt.Fprintf(&text, "  - {id: op-%d, method: GET, path: \"/op-%d/{id}\"}\n", op, op)
		}
		if err := writeFile(filepath.Join(k.dir, fmt.Sprintf("api-%d.yaml", i)), text.String()); err != nil {
			return err
		}
	}
	return k.writeChange(-1)
}

// writeChange puts the i-th form of the changed API in place.
func (k *bank) writeChange(i int) error {
	return moveInto(filepath.Join(k.dir, "changed.yaml"), fmt.Sprintf(
		"schema: 1\nkind: API\nname: changed\nversion: v1\nexpose: [{gateway: %s, hosts: [%s], base: /changed}]\nto: backend\nauthenticate: none\noperations: [{id: form, method: GET, path: /form-%d}]\n",
		fleetEdge, changedHost, i))
}
