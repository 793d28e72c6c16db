package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// envoysLimit bounds how long the clients wait for what they expect.
const envoysLimit = time.Minute

// envoys are many clients of delta ADS in one process, which ask and answer as Envoys do and do nothing with what they get.
// Hundreds of real Envoys would take all of the machine for themselves.
type envoys struct {
	address string

	mu    sync.Mutex
	all   []*delta
	moved chan struct{} // Closed, and replaced, whenever one got something.
	since time.Time     // When what is counted began.
}

// received is what the clients got since it was asked last.
type received struct {
	Took      time.Duration // Until the last of them had it.
	Most      int           // Bytes of the client that got most.
	Sum       int           // Bytes of all.
	Responses int           // Of the client that got most of them.
	Refused   int           // Responses to the client that refuses everything.
}

// newEnvoys returns a child whose clients connect when it is asked to.
func newEnvoys(address string) *service {
	e := &envoys{address: address, moved: make(chan struct{})}
	return &service{
		stop: func(context.Context) error { e.hangUp(); return nil },
		answer: func(question string) (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), envoysLimit)
			defer cancel()
			answer, err := e.ask(ctx, strings.Fields(question))
			if err != nil {
				return "", err
			}
			text, err := json.Marshal(answer)
			return string(text), err
		},
	}
}

// ask does what is asked: "connect NUMBER HOSTS" connects so many clients and waits until each has so many virtual hosts;
// "refuse" makes one more, which refuses everything, and waits until it is sent nothing more; "mark" begins to count anew; "changed" waits until each client got a virtual
// host; "again" loses all streams and opens them again, each saying what it has; "count" tells what came meanwhile.
func (e *envoys) ask(ctx context.Context, words []string) (received, error) {
	switch {
	case len(words) == 3 && words[0] == "connect":
		number, err := strconv.Atoi(words[1])
		if err != nil {
			return received{}, err
		}
		hosts, err := strconv.Atoi(words[2])
		if err != nil {
			return received{}, err
		}
		return e.connect(ctx, number, hosts)
	case words[0] == "refuse":
		e.mark()
		refusing := e.open("refusing", nil)
		refusing.refuses = true
		if err := refusing.start(e.address); err != nil {
			return received{}, err
		}
		return received{}, e.quiet(ctx)
	case words[0] == "mark":
		e.mark()
		return received{}, nil
	case words[0] == "changed":
		err := e.await(ctx, func(d *delta) bool { return d.refuses || d.hosts > 0 })
		return e.count(), err
	case words[0] == "again":
		return e.again()
	case words[0] == "count":
		return e.count(), nil
	}
	return received{}, fmt.Errorf("what is %q?", words)
}

// open adds a client.
func (e *envoys) open(name string, held map[string]map[string]string) *delta {
	d := &delta{envoys: e, name: name, held: held, done: make(chan struct{})}
	if held == nil {
		d.held = map[string]map[string]string{}
	}
	e.mu.Lock()
	e.all = append(e.all, d)
	e.mu.Unlock()
	return d
}

func (e *envoys) connect(ctx context.Context, number, hosts int) (received, error) {
	e.mark()
	for i := range number {
		if err := e.open(fmt.Sprintf("envoy-%d", i), nil).start(e.address); err != nil {
			return received{}, err
		}
	}
	err := e.await(ctx, func(d *delta) bool { return d.refuses || len(d.held[typeHosts]) >= hosts })
	return e.count(), err
}

// again reconnects every client with what it holds.
func (e *envoys) again() (received, error) {
	e.hangUp()
	e.mu.Lock()
	before := e.all
	e.all = nil
	e.mu.Unlock()
	e.mark()
	for _, d := range before {
		if d.refuses {
			continue
		}
		if err := e.open(d.name, d.held).start(e.address); err != nil {
			return received{}, err
		}
	}
	return e.count(), nil
}

// mark begins to count anew.
func (e *envoys) mark() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.since = time.Now()
	for _, d := range e.all {
		d.bytes, d.responses, d.hosts = 0, 0, 0
	}
}

// await waits until something holds for every client.
func (e *envoys) await(ctx context.Context, holds func(*delta) bool) error {
	for {
		e.mu.Lock()
		missing, moved, failed := 0, e.moved, error(nil)
		for _, d := range e.all {
			if !holds(d) {
				missing++
			}
			failed = errors.Join(failed, d.failed)
		}
		e.mu.Unlock()
		if missing == 0 || failed != nil {
			return failed
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%d clients still wait: %w", missing, context.Cause(ctx))
		}
	}
}

// calm is how long nothing must come until it is taken that nothing more will.
const calm = time.Second

// quiet waits until nothing comes any more: what is refused at first is searched for its culprit, in several responses.
func (e *envoys) quiet(ctx context.Context) error {
	for {
		e.mu.Lock()
		moved := e.moved
		e.mu.Unlock()
		select {
		case <-moved:
		case <-time.After(calm):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (e *envoys) count() received {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := received{}
	for _, d := range e.all {
		if d.refuses {
			out.Refused = d.responses
			continue
		}
		out.Sum += d.bytes
		out.Most = max(out.Most, d.bytes)
		out.Responses = max(out.Responses, d.responses)
		out.Took = max(out.Took, d.last.Sub(e.since))
	}
	return out
}

// hangUp ends all streams and waits for them.
func (e *envoys) hangUp() {
	e.mu.Lock()
	all := e.all
	e.mu.Unlock()
	for _, d := range all {
		if d.cancel != nil {
			d.cancel()
			<-d.done
		}
	}
}

// Types that clients ask for; those that are named by others ask for each other by what they got.
const (
	typePrefix    = "type.googleapis.com/envoy."
	typeClusters  = typePrefix + "config.cluster.v3.Cluster"
	typeEndpoints = typePrefix + "config.endpoint.v3.ClusterLoadAssignment"
	typeListeners = typePrefix + "config.listener.v3.Listener"
	typeRoutes    = typePrefix + "config.route.v3.RouteConfiguration"
	typeHosts     = typePrefix + "config.route.v3.VirtualHost"
)

// delta is one client of delta ADS.
type delta struct {
	envoys  *envoys
	name    string
	refuses bool
	cancel  context.CancelFunc
	done    chan struct{}
	stream  discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	opened  map[string]bool // Types that were asked for on this stream.

	held      map[string]map[string]string // By type and name, the version. This and what follows: by envoys.mu.
	bytes     int
	responses int
	hosts     int // Virtual hosts, since the last mark.
	last      time.Time
	failed    error
}

// start opens the stream and serves it until hangUp.
func (d *delta) start(address string) error {
	conn, err := dial(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.opened = cancel, map[string]bool{}
	d.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err == nil {
		err = d.subscribe(typeClusters)
	}
	if err == nil {
		err = d.subscribe(typeListeners)
	}
	if err == nil && len(d.held[typeHosts]) > 0 { // It came back: an Envoy asks for all that it has.
		err = errors.Join(d.subscribe(typeEndpoints), d.subscribe(typeRoutes), d.subscribe(typeHosts))
	}
	if err != nil {
		cancel()
		close(d.done)
		return fmt.Errorf("connect %s: %w", d.name, errors.Join(err, conn.Close()))
	}
	go func() {
		defer close(d.done)
		err := d.serve()
		if ctx.Err() == nil {
			d.envoys.note(func() { d.failed = fmt.Errorf("%s: %w", d.name, err) })
		}
		_ = conn.Close() // The stream is over.
	}()
	return nil
}

// note changes what is by the lock, and wakes whoever waits for it.
func (e *envoys) note(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	close(e.moved)
	e.moved = make(chan struct{})
}

// subscribe asks for a type: by the names that are held or were given, or for all there is.
func (d *delta) subscribe(kind string, names ...string) error {
	q := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: kind, ResourceNamesSubscribe: names}
	if len(d.opened) == 0 {
		q.Node = &corev3.Node{Id: d.name, Cluster: fleetEdge, UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: "1.40.0"}}
	}
	if !d.opened[kind] {
		q.InitialResourceVersions = d.held[kind]
		if kind == typeEndpoints || kind == typeRoutes {
			for name := range d.held[kind] {
				q.ResourceNamesSubscribe = append(q.ResourceNamesSubscribe, name)
			}
		}
	}
	d.opened[kind] = true
	return d.stream.Send(q)
}

// serve answers responses until the stream ends.
func (d *delta) serve() error {
	for {
		r, err := d.stream.Recv()
		if err != nil {
			return err
		}
		answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
		if d.refuses {
			answer.ErrorDetail = &rpcstatus.Status{Code: int32(codes.Internal), Message: "this client refuses everything"}
		}
		size := proto.Size(r)
		d.envoys.note(func() { d.take(r, size) })
		if err := d.stream.Send(answer); err != nil {
			return err
		}
		if err := d.askOn(r); err != nil {
			return err
		}
	}
}

// take counts a response, and holds what it brought.
func (d *delta) take(r *discoveryv3.DeltaDiscoveryResponse, size int) {
	d.bytes += size
	d.responses++
	d.last = time.Now()
	if d.refuses {
		return
	}
	held := d.held[r.GetTypeUrl()]
	if held == nil {
		held = map[string]string{}
		d.held[r.GetTypeUrl()] = held
	}
	for _, resource := range r.GetResources() {
		held[resource.GetName()] = resource.GetVersion()
	}
	for _, name := range r.GetRemovedResources() {
		delete(held, name)
	}
	if r.GetTypeUrl() == typeHosts {
		d.hosts += len(r.GetResources())
	}
}

// askOn asks for what the resources of a response refer to: endpoints have the names of clusters, a route configuration that
// of its listener, and virtual hosts come without a name.
func (d *delta) askOn(r *discoveryv3.DeltaDiscoveryResponse) error {
	var names []string
	for _, resource := range r.GetResources() {
		names = append(names, resource.GetName())
	}
	switch r.GetTypeUrl() {
	case typeClusters:
		return d.subscribe(typeEndpoints, names...)
	case typeListeners:
		return d.subscribe(typeRoutes, names...)
	case typeRoutes:
		if !d.opened[typeHosts] {
			return d.subscribe(typeHosts)
		}
	}
	return nil
}
