package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gatehouse/gatehouse/envoy"
)

// bank is the quickstart, ready for Envoys: its backends, its documents, and the daemon that serves them.
type bank struct {
	bench     *bench
	dir       string // The documents.
	port      int    // Of the listener.
	backends  *child
	gatehouse *child
	token     string
	ends      []func() error
}

// openBank starts the quickstart's backends and the daemon. Its directory is named; close ends all.
func (b *bench) openBank(ctx context.Context, name string) (*bank, error) {
	k := &bank{bench: b}
	if err := k.open(ctx, name); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *bank) open(ctx context.Context, name string) (err error) {
	b := k.bench
	if k.token, err = b.token(); err != nil {
		return err
	}
	if k.port, err = freePort(ctx); err != nil {
		return err
	}
	if k.backends, err = k.spawn(ctx, "backends"); err != nil {
		return err
	}
	if k.dir, err = b.bankDocuments(name, k.port, k.backends.hello.Addresses); err != nil {
		return err
	}
	k.gatehouse, err = k.spawn(ctx, "gatehouse", k.dir, filepath.Join(b.dir, name+".state"))
	return err
}

// spawn starts a child that ends with the bank.
func (k *bank) spawn(ctx context.Context, kind string, args ...string) (*child, error) {
	c, err := spawn(ctx, k.bench.progress, kind, args...)
	if err == nil {
		k.ends = append(k.ends, c.stop)
	}
	return c, err
}

// services are where the daemon is reached.
func (k *bank) services() envoy.Services {
	a := k.gatehouse.hello.Addresses
	return envoy.Services{
		XDS: []string{a["xds"]}, Authz: []string{a["authz"]}, RateLimit: []string{a["ratelimit"]}, AccessLog: []string{a["accesslog"]},
	}
}

// join starts an Envoy of a fleet that ends with the bank.
func (k *bank) join(ctx context.Context, fleet, node string, services envoy.Services) (*envoy.Child, error) {
	settings := envoy.Settings{Fleet: fleet, Node: node, Dir: filepath.Join(k.bench.dir, node)}
	if _, err := envoy.Prepare(settings, services); err != nil {
		return nil, err
	}
	return k.launch(ctx, settings)
}

// launch starts an Envoy whose bootstrap is written.
func (k *bank) launch(ctx context.Context, settings envoy.Settings) (*envoy.Child, error) {
	e, err := k.bench.startEnvoy(ctx, settings)
	if e != nil {
		k.ends = append(k.ends, func() error { return stopEnvoy(e) })
	}
	return e, err
}

// stopEnvoy ends an Envoy without draining it.
func stopEnvoy(e *envoy.Child) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	return e.Stop(ctx, 0)
}

// url returns the address of one customer's payments behind a base.
func (k *bank) url(base string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s%s", k.port, base, customerPath)
}

// close ends everything, the last first.
func (k *bank) close() error {
	var failed []error
	for _, end := range slices.Backward(k.ends) {
		failed = append(failed, end())
	}
	k.ends = nil
	return errors.Join(failed...)
}
