package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// Targets of changes that are applied.
const (
	planTarget    = 1_000 // Milliseconds to plan one change among 5,000 routes.
	objectsTarget = 3_000 // Milliseconds to apply 1,000 objects.
	objects       = 1_000
	appliedNodes  = 10
)

// apply measures what comes between a person and the Envoys: plans and changes that are applied through the management API, until
// the last node has acknowledged. The floor of a change is a server that has everything ready and sends all of it, not only what
// changed; the floor of a plan and of the API is an HTTP server that answers with nothing.
func (b *bench) apply(ctx context.Context) error {
	ask, err := b.emptyAPI(ctx)
	if err != nil {
		return err
	}
	for _, routes := range []int{1, 1_000, 5_000} {
		if err := b.applyAmong(ctx, routes, ask); err != nil {
			return fmt.Errorf("%d routes: %w", routes, err)
		}
	}
	if err := b.applyObjects(ctx, ask); err != nil {
		return err
	}
	return b.planByCommand(ctx)
}

func (b *bench) applyAmong(ctx context.Context, routes int, ask []float64) (err error) {
	files := appliedFiles(routes)
	hosts := len(files) - 1
	dir, err := b.subdir(fmt.Sprintf("applied-%d", routes))
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(dir, name), string(text)); err != nil {
			return err
		}
	}
	connect := fmt.Sprintf("connect %d %d", appliedNodes, hosts+1)
	floor, err := b.pushed(ctx, dir, connect)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	daemon, client, err := b.appliedTo(ctx, fmt.Sprintf("applied-%d.state", routes))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()
	if _, err := client.Apply(ctx, admin.Proposal{Source: "bench", Files: files}); err != nil {
		return err
	}
	nodes, err := spawn(ctx, b.progress, "envoys", daemon.hello.Addresses["xds"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.stop()) }()
	if _, err := asked(nodes, connect); err != nil {
		return err
	}
	if err := b.settled(ctx, daemon, appliedNodes); err != nil {
		return err
	}
	plans, applies, err := b.changeOne(ctx, client, nodes, files, routes)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("one change among %s: ", countOf(routes, "route"))
	goal := target{}
	if routes == 5_000 {
		goal = target{bound: planTarget, unit: "ms", value: spreadOf(plans).median}
	}
	b.table.compare(what+"plan", "ms", plans, repeated(spreadOf(ask).median, len(plans)), goal)
	b.table.compare(what+"apply, until the last of 10 nodes has it", "ms", applies, repeated(inMs(floor.Took), len(applies)), target{})
	if routes == 5_000 {
		return b.askAPI(ctx, daemon, ask)
	}
	return nil
}

// changeOne changes one route again and again, and returns how long each plan and each apply takes, in milliseconds.
func (b *bench) changeOne(ctx context.Context, client *admin.Client, nodes *child, files map[string][]byte, routes int) (plans, applies []float64, err error) {
	for i := range b.loads + 1 {
		files[apiFile(0)] = []byte(appliedAPI(0, min(routes, fleetRoutes), fmt.Sprintf("/changed-%d", i)))
		proposal := admin.Proposal{Source: "bench", Files: files}
		began := time.Now()
		if _, err := client.Plan(ctx, proposal); err != nil {
			return nil, nil, err
		}
		planned := time.Since(began)
		if _, err := asked(nodes, "mark"); err != nil {
			return nil, nil, err
		}
		began = time.Now()
		if _, err := client.Apply(ctx, proposal); err != nil {
			return nil, nil, err
		}
		if _, err := asked(nodes, "changed"); err != nil {
			return nil, nil, err
		}
		if i > 0 { // The first warms up.
			plans, applies = append(plans, inMs(planned)), append(applies, inMs(time.Since(began)))
		}
	}
	return plans, applies, nil
}

// applyObjects applies many new objects at once.
func (b *bench) applyObjects(ctx context.Context, ask []float64) (err error) {
	daemon, client, err := b.appliedTo(ctx, "objects.state")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()
	files := map[string][]byte{"gateway.yaml": []byte(appliedGateway(1))}
	for i := range objects / 2 {
		files[fmt.Sprintf("object-%d.yaml", i)] = fmt.Appendf(nil, "schema: 1\nkind: Upstream\nname: upstream-%[1]d\nendpoints: [{address: \"127.0.0.1:9001\"}]\n---\n"+
			"kind: Route\nname: route-%[1]d\nexpose: [{gateway: %[2]s, base: /route-%[1]d}]\nauthenticate: none\nto: upstream-%[1]d\n", i, fleetEdge)
	}
	began := time.Now()
	if _, err := client.Apply(ctx, admin.Proposal{Source: "bench", Files: files}); err != nil {
		return err
	}
	took := inMs(time.Since(began))
	b.table.compare(fmt.Sprintf("apply %s new objects, until the entry is made", grouped(objects)), "ms", []float64{took}, []float64{spreadOf(ask).median},
		target{bound: objectsTarget, unit: "ms", value: took})
	return nil
}

// appliedTo returns a daemon without any documents, and a client for it.
func (b *bench) appliedTo(ctx context.Context, name string) (*child, *admin.Client, error) {
	state, err := b.subdir(name)
	if err != nil {
		return nil, nil, err
	}
	daemon, err := spawn(ctx, b.progress, "gatehouse", "", state)
	if err != nil {
		return nil, nil, err
	}
	client, err := admin.Dial(daemon.hello.Addresses["admin"], "")
	if err != nil {
		return nil, nil, errors.Join(err, daemon.stop())
	}
	return daemon, client, nil
}

// calls is how often the API is asked.
const apiCalls = 500

// askAPI measures an answer of the management API while it has much to look after.
func (b *bench) askAPI(ctx context.Context, daemon *child, floor []float64) error {
	client, err := admin.Dial(daemon.hello.Addresses["admin"], "")
	if err != nil {
		return err
	}
	var took []float64
	for range apiCalls {
		began := time.Now()
		if _, err := client.Revision(ctx); err != nil {
			return err
		}
		took = append(took, inMs(time.Since(began)))
	}
	b.table.compare("management API, the revision in use: p50", "ms", []float64{percentile(took, 50)}, []float64{percentile(floor, 50)}, target{})
	b.table.compare("management API, the revision in use: p99", "ms", []float64{percentile(took, 99)}, []float64{percentile(floor, 99)}, target{})
	return nil
}

// emptyAPI returns how long a call takes, in milliseconds, of a server on a Unix socket that answers with nothing, a connection for
// each, as the client of the management API does it.
func (b *bench) emptyAPI(ctx context.Context) (took []float64, err error) {
	address := filepath.Join(b.dir, "empty.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: startLimit, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}") // Whoever hung up is told by the client.
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		if closing := errors.Join(server.Close(), <-ended); !errors.Is(closing, http.ErrServerClosed) {
			err = errors.Join(err, closing)
		}
	}()
	client, err := admin.Dial("unix:"+address, "")
	if err != nil {
		return nil, err
	}
	for range apiCalls {
		began := time.Now()
		if _, err := client.Revision(ctx); err != nil {
			return nil, err
		}
		took = append(took, inMs(time.Since(began)))
	}
	return took, nil
}

// appliedFiles returns a fleet's documents with a number of routes, fifty at each host.
func appliedFiles(routes int) map[string][]byte {
	apis := max(1, routes/fleetRoutes)
	files := map[string][]byte{"gateway.yaml": []byte(appliedGateway(apis))}
	for i := range apis {
		files[apiFile(i)] = []byte(appliedAPI(i, min(routes, fleetRoutes), "/op-0"))
	}
	return files
}

func appliedGateway(hosts int) string {
	names := make([]string, hosts)
	for i := range names {
		names[i] = fmt.Sprintf("h%d.nordhaven.test", i)
	}
	return fmt.Sprintf("schema: 1\nkind: %s\nname: %s\nlisteners: [{name: http, address: 127.0.0.1, port: 8080, hosts: [%s]}]\n---\n", gateway.KindGateway, fleetEdge, strings.Join(names, ", ")) +
		"kind: Upstream\nname: backend\nendpoints: [{address: \"127.0.0.1:9001\"}]\n"
}

// appliedAPI returns one API of a number of routes; first is the path of its first operation.
func appliedAPI(i, routes int, first string) string {
	if routes >= fleetRoutes {
		return fleetAPI(i, i, first)
	}
	return fmt.Sprintf("schema: 1\nkind: Route\nname: api-%[1]d\nexpose: [{gateway: %[2]s, hosts: [h%[1]d.nordhaven.test]}]\nmatch: {path: %[3]q}\nto: backend\nauthenticate: none\n", i, fleetEdge, first)
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// inMs returns a duration in milliseconds.
func inMs(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
