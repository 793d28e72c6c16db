package join

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// breath is the longest time between two questions of a node that was answered: left to chance, so that a fleet that hears
// of a change at once does not ask at once.
const breath = time.Second

// followMost is the longest time between two tries while nobody answers.
const followMost = 10 * time.Second

// Follower keeps what a node's Envoy knows about the replicas up to date.
type Follower struct {
	Place Place
	Kept  Kept
	Now   func() time.Time // nil: time.Now.
	Log   *slog.Logger
}

// Run asks one replica after another which ones are alive, and writes that down for Envoy whenever it changes, until ctx ends.
// While nobody answers, and where somebody says that there are none, what is written stays.
func (f Follower) Run(ctx context.Context) error {
	if f.Now == nil {
		f.Now = time.Now
	}
	for tries, next := 0, 0; ctx.Err() == nil; next++ {
		servers := f.Kept.servers()
		server := servers[next%len(servers)]
		heard, err := f.follow(ctx, server)
		if ctx.Err() != nil {
			return nil
		}
		if heard { // That server has gone; another one will tell.
			tries = 0
		}
		wait := min(backoff(tries), followMost)
		tries++
		f.Log.WarnContext(ctx, "replicas not followed", "server", server, "error", err, "again_in", wait.Round(time.Millisecond))
		pause(ctx, wait)
	}
	return nil
}

// Once asks which replicas are alive, and writes that down.
func (f Follower) Once(ctx context.Context) error {
	if f.Now == nil {
		f.Now = time.Now
	}
	var failed []error
	for _, server := range f.Kept.servers() {
		d, err := f.ask(ctx, server, nil, "")
		if err == nil {
			return f.use(ctx, d)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// follow asks one server, again and again, until it fails. heard tells that it answered before.
func (f *Follower) follow(ctx context.Context, server string) (heard bool, err error) {
	c, err := f.client(server)
	if err != nil {
		return false, err
	}
	defer c.http.CloseIdleConnections()
	version := ""
	for {
		d, err := f.ask(ctx, server, c, version)
		if err != nil {
			return heard, err
		}
		heard = true
		if d.Version != version {
			if err := f.use(ctx, d); err != nil {
				return heard, err
			}
			version = d.Version
		}
		if pause(ctx, time.Duration(rand.Int64N(int64(breath)))); ctx.Err() != nil { //nolint:gosec // Nothing is to be guessed.
			return heard, ctx.Err()
		}
	}
}

// client returns a client that keeps its connection. A certificate that was renewed meanwhile counts from the next one on:
// the server ends the old one when that certificate expires.
func (f *Follower) client(server string) (*client, error) {
	c, err := f.Place.known(server, f.Kept, f.Now)
	if err != nil {
		return nil, err
	}
	c.http.Timeout = directoryWait + callTimeout
	if t, ok := c.http.Transport.(*http.Transport); ok {
		t.DisableKeepAlives = false
	}
	return c, nil
}

// ask returns what one server says, once it is another version than the one that is known; without a client by one of its own.
func (f *Follower) ask(ctx context.Context, server string, c *client, version string) (d Directory, err error) {
	if c == nil {
		if c, err = f.Place.known(server, f.Kept, f.Now); err != nil {
			return d, err
		}
	}
	if err := c.exchange(ctx, http.MethodGet, pathDirectory+"?"+url.Values{versionWord: {version}}.Encode(), nil, &d); err != nil {
		return d, err
	}
	return d.placed(c.remote), nil
}

// use writes down where the replicas are: for Envoy, and for what this node itself asks for.
func (f *Follower) use(ctx context.Context, d Directory) error {
	services := d.usable(func(address string, err error) {
		f.Log.WarnContext(ctx, "replica left out", "address", address, "error", err)
	})
	if len(services) == 0 {
		f.Log.WarnContext(ctx, "no replica is named: those that were named last stay")
		return nil
	}
	settings := f.Place.Settings
	settings.Zone = f.Kept.Zone
	if err := envoy.WriteEndpoints(settings, everywhere(services)); err != nil {
		return fmt.Errorf("write down the replicas: %w", err)
	}
	f.Log.InfoContext(ctx, "replicas", "services", services, "joins", d.Joins)
	if len(d.Joins) == 0 || slices.Equal(d.Joins, f.Kept.Joins) {
		return nil
	}
	f.Kept.Joins = d.Joins
	return f.Place.WriteKept(f.Kept)
}

// usable returns the addresses of services that Envoy takes; the others are told.
func (d Directory) usable(leftOut func(string, error)) []string {
	var services []string
	for _, address := range d.Services {
		if _, err := envoy.Address(address); err != nil {
			leftOut(address, err)
			continue
		}
		services = append(services, address)
	}
	return services
}

// everywhere returns addresses at which all services are.
func everywhere(addresses []string) envoy.Services {
	return envoy.Services{XDS: addresses, Authz: addresses, RateLimit: addresses, AccessLog: addresses}
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
