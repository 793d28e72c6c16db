package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
)

// How long an Envoy may take to be ready, and how long to wait before one that ended is started again.
const (
	readyTimeout = 30 * time.Second
	restartDelay = time.Second
)

// trial is what `gatehouse up` runs beside the daemon: Envoys and backends, as the revision in use needs them. Only the
// goroutine of follow touches it.
type trial struct {
	options   *upOptions
	binary    string
	log       *slog.Logger
	services  envoy.Services
	envoys    map[tried]*running
	backends  map[string]*running // By address.
	listens   map[string]bool     // Addresses of the listeners that were free when they came.
	shown     bool                // The first revision is in use, and all is printed.
	listeners string              // What was printed last about them.
}

// tried is one Envoy of a trial: its fleet, and which it is there, from 0.
type tried struct {
	fleet string
	index int
}

// settings are those of the Envoy, whose files are below a directory.
func (e tried) settings(dir string) envoy.Settings {
	s := envoy.Settings{Fleet: e.fleet, Node: "local", Dir: filepath.Join(dir, "envoy", e.fleet)}
	if e.index > 0 {
		number := strconv.Itoa(e.index + 1)
		s.Node, s.Dir = "local-"+number, filepath.Join(s.Dir, number)
	}
	return s
}

// running is a part that runs until its cancel.
type running struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (r *running) stop() {
	r.cancel()
	r.done.Wait()
}

// newTrial returns a trial in which nothing runs yet.
func newTrial(o *upOptions, binary string, log *slog.Logger, at server.Addresses) *trial {
	return &trial{
		options: o, binary: binary, log: log,
		services: envoy.Services{
			XDS: []string{at.XDS}, Authz: []string{at.Authz}, RateLimit: []string{at.RateLimit}, AccessLog: []string{at.AccessLog},
		},
		envoys: map[tried]*running{}, backends: map[string]*running{}, listens: map[string]bool{},
	}
}

// follow runs what each revision needs, until ctx ends. An error is a reason not to begin.
func (t *trial) follow(ctx context.Context, revisions <-chan *gateway.Revision) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-revisions:
			err := t.use(ctx, r)
			switch {
			case err == nil || ctx.Err() != nil:
			case t.shown:
				t.log.Error("not everything runs", "error", err)
			default:
				return err
			}
		}
	}
}

// stop ends all Envoys, then all backends.
func (t *trial) stop() {
	stopAll(t.envoys)
	stopAll(t.backends)
}

func stopAll[K comparable](parts map[K]*running) {
	for _, r := range parts {
		r.cancel()
	}
	for _, r := range parts {
		r.done.Wait()
	}
}

// use makes what runs fit a revision: backends before the Envoys that ask them.
func (t *trial) use(ctx context.Context, r *gateway.Revision) error {
	if err := t.checkListeners(ctx, r); err != nil {
		return err
	}
	t.useBackends(ctx, r)
	fleets := fleetsOf(r)
	for e, r := range t.envoys {
		if !slices.Contains(fleets, e.fleet) {
			r.stop()
			delete(t.envoys, e)
		}
	}
	begun := map[string]chan error{}
	for _, fleet := range fleets {
		for i := range t.options.envoys {
			e := tried{fleet, i}
			if t.envoys[e] != nil {
				continue
			}
			first, err := t.begin(ctx, e)
			if err != nil {
				return err
			}
			begun[fleet+"/"+e.settings("").Node] = first
		}
	}
	for name, first := range begun {
		if err := <-first; err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	t.show(r)
	return nil
}

// checkListeners finds listeners whose port is taken, before an Envoy does: at the start that ends the trial, later it is
// said. Envoy alone would not notice another Envoy of this user on the same port.
func (t *trial) checkListeners(ctx context.Context, r *gateway.Revision) error {
	var taken []error
	for _, g := range r.Gateways {
		for i, l := range g.Listeners {
			address := net.JoinHostPort(l.Address, strconv.Itoa(l.Port))
			if t.listens[address] {
				continue
			}
			if err := free(ctx, address); err != nil {
				place := g.Origin.At(fmt.Sprintf("listeners[%d].port", i))
				place.File = filepath.Join(t.options.dir, place.File)
				taken = append(taken, fmt.Errorf("listener %s of gateway %s cannot use %s: %w (%s)", l.Name, g.Name, address, err, place))
				continue
			}
			t.listens[address] = true
		}
	}
	if err := errors.Join(taken...); err != nil {
		if !t.shown {
			return err
		}
		t.log.Warn("a listener's port is taken", "faults", err.Error())
	}
	return nil
}

// free tells whether a program may listen at an address now.
func free(ctx context.Context, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("another program listens there; stop it, or change the port")
	case errors.Is(err, syscall.EACCES):
		return errors.New("this user may not; choose a port of 1024 or above")
	case err != nil:
		return err
	}
	return l.Close()
}

// begin starts an Envoy. What it sends is nil when the Envoy is ready, or why it is not.
func (t *trial) begin(ctx context.Context, e tried) (chan error, error) {
	dir, err := filepath.Abs(t.options.state)
	if err != nil {
		return nil, fmt.Errorf("make the path absolute: %w", err)
	}
	settings := e.settings(dir)
	path, err := envoy.Prepare(settings, t.services)
	if err != nil {
		return nil, fmt.Errorf("fleet %s: %w", e.fleet, err)
	}
	log := t.log.With("fleet", e.fleet, "node", settings.Node)
	start := envoy.Start{Binary: t.binary, Bootstrap: path, Admin: settings.AdminSocket(), Log: log}
	within, cancel := context.WithCancel(ctx)
	r := &running{cancel: cancel}
	t.envoys[e] = r
	first := make(chan error, 1)
	r.done.Go(func() { keep(within, start, first) })
	return first, nil
}

// keep runs an Envoy until ctx ends, and starts it again when it ends by itself.
func keep(ctx context.Context, start envoy.Start, first chan error) {
	for {
		err := once(ctx, start, first)
		if ctx.Err() != nil {
			return
		}
		start.Log.Warn("an Envoy ended and is started again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartDelay):
		}
	}
}

// once runs an Envoy until it or ctx ends, and returns why it ended.
func once(ctx context.Context, start envoy.Start, first chan error) error {
	child, err := envoy.Launch(ctx, start)
	if err == nil {
		ready, cancel := context.WithTimeout(ctx, readyTimeout)
		err = child.WaitReady(ready)
		cancel()
	}
	select {
	case first <- err:
	default: // Only the first start is waited for.
	}
	if child == nil {
		return err
	}
	<-child.Ended() // At the latest when ctx ends, with which it was launched.
	return child.Err()
}

// fleetsOf returns the names of the fleets of a revision, each once.
func fleetsOf(r *gateway.Revision) []string {
	var names []string
	for _, g := range r.Gateways {
		names = append(names, g.Fleet)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
