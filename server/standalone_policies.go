package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/authz/opaconfig"
	"github.com/gatehouse/gatehouse/authz/opalog"
	"github.com/gatehouse/gatehouse/config"
)

// pieces are what a Standalone's policies are put together from: loose files, and bundles that come each at its own time.
type pieces struct {
	service *authz.Standalone
	options authz.SetOptions
	wanted  int // Bundles.

	mu        sync.Mutex
	loose     *bundle.Bundle // nil: none.
	bundles   map[string]*bundle.Bundle
	followers []*bundle.Follower
}

func newPieces(service *authz.Standalone, o authz.SetOptions, wanted int) *pieces {
	return &pieces{service: service, options: o, wanted: wanted, bundles: map[string]*bundle.Bundle{}}
}

// use takes a piece in the place of the one before, once all of them are there; with an error the one before stays.
func (p *pieces) use(b *bundle.Bundle) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	loose, bundles := p.loose, maps.Clone(p.bundles)
	if b.Name == "" {
		loose = b
	} else {
		bundles[b.Name] = b
	}
	if len(bundles) == p.wanted {
		var all []*bundle.Bundle
		if loose != nil {
			all = append(all, loose)
		}
		for _, name := range slices.Sorted(maps.Keys(bundles)) {
			all = append(all, bundles[name])
		}
		set, faults := authz.CompileSet(all, p.options)
		if faults != nil {
			return faults
		}
		p.service.Use(set)
	}
	p.loose, p.bundles = loose, bundles
	return nil
}

// failing returns how many bundles could not be updated last.
func (p *pieces) failing() int {
	failing := 0
	for _, f := range p.followers {
		if f.Status().Failures > 0 {
			failing++
		}
	}
	return failing
}

// loadPolicies reads the files, and takes them into use.
func (s *Standalone) loadPolicies() error {
	if s.options.Policies == "" {
		return nil
	}
	loose, err := bundle.ReadPath(s.options.Policies, bundle.Options{V0: s.options.V0})
	if err == nil {
		err = s.pieces.use(loose)
	}
	if err != nil {
		return fmt.Errorf("the policies of %s: %w", s.options.Policies, err)
	}
	return nil
}

// follow begins to follow what the policies come from, until ctx ends.
func (s *Standalone) follow(ctx context.Context) error {
	if s.options.Policies != "" {
		dir := s.options.Policies
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			dir = filepath.Dir(dir)
		}
		changed, err := config.Watch(ctx, dir, s.options.Logger)
		if err != nil {
			return err
		}
		s.tasks.Go(func() { s.reload(changed) })
	}
	for _, name := range slices.Sorted(maps.Keys(s.config.Bundles)) {
		f, err := s.follower(name, s.config.Bundles[name])
		if err != nil {
			return fmt.Errorf("bundle %s: %w", name, err)
		}
		s.pieces.followers = append(s.pieces.followers, f)
	}
	for _, f := range s.pieces.followers {
		s.tasks.Go(func() { f.Run(ctx) })
	}
	return nil
}

// reload reads the files at every change; what cannot be used leaves what is in use.
func (s *Standalone) reload(changed <-chan struct{}) {
	for range changed {
		if err := s.loadPolicies(); err != nil {
			s.options.Logger.Error("policies not reloaded, those before stay in use", "error", err)
			continue
		}
		s.options.Logger.Info("policies reloaded", "dir", s.options.Policies)
	}
}

// follower returns what keeps a bundle of OPA's configuration up to date.
func (s *Standalone) follower(name string, b *opaconfig.Bundle) (*bundle.Follower, error) {
	f := &bundle.Follower{
		Options: bundle.Options{Name: name, Limit: b.Limit, V0: s.options.V0, Verify: verification(s.config, b.Signing)},
		Polling: bundle.Polling{Min: seconds(b.Polling.Min), Max: seconds(b.Polling.Max)},
		Use:     s.pieces.use, Logger: s.options.Logger,
	}
	if b.Persist {
		dir := s.config.Persistence
		if dir == "" {
			dir = ".opa"
		}
		f.Persist = bundle.PersistPath(dir, name)
	}
	if path, ok := strings.CutPrefix(b.Resource, "file://"); ok {
		f.Source = bundle.File{Path: path, Limit: b.Limit}
		if b.Polling.Min == 0 {
			f.Polling = bundle.Polling{Min: time.Second, Max: 2 * time.Second}
		}
		return f, nil
	}
	service, wait := s.config.Services[b.Service], seconds(b.Polling.Long)
	url, err := service.Resource(b.Resource)
	if err != nil {
		return nil, err
	}
	client, err := service.Client(wait)
	if err != nil {
		return nil, err
	}
	f.Source = bundle.Server{URL: url, Client: client, Head: service.Head, Limit: b.Limit, Wait: wait}
	return f, nil
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// verification returns by which keys a bundle is checked; nil: none.
func verification(c *opaconfig.Config, signing *opaconfig.Signing) *bundle.Verification {
	if signing == nil {
		return nil
	}
	v := &bundle.Verification{Keys: map[string]bundle.Key{}, KeyID: signing.KeyID, Scope: signing.Scope, Exclude: signing.Exclude}
	for id, k := range c.Keys {
		v.Keys[id] = bundle.Key{Text: k.Key, Algorithm: k.Algorithm}
	}
	return v
}

// useLog makes the decision log that OPA's configuration asks for.
func (s *Standalone) useLog(settings *authz.StandaloneOptions) error {
	l := s.config.Logs
	if l == nil {
		return nil
	}
	r := l.Reporting
	o := opalog.Options{
		Logger: s.options.Logger, Labels: s.config.Labels, Events: int(r.BufferEvents), Buffer: r.BufferBytes, Upload: r.UploadBytes,
		Min: seconds(r.Min), Max: seconds(r.Max), PerSecond: r.PerSecond,
	}
	if l.Console {
		o.Console = s.options.Console
	}
	if l.Service != "" {
		service := s.config.Services[l.Service]
		url, err := service.Resource(l.Resource)
		if err != nil {
			return fmt.Errorf("decision_logs: %w", err)
		}
		client, err := service.Client(0)
		if err != nil {
			return fmt.Errorf("decision_logs: %w", err)
		}
		o.Send = opalog.Post(client, url, service.Head)
	}
	if o.Console == nil && o.Send == nil {
		return errors.New("decision_logs: neither console nor a service: say where decisions are written")
	}
	s.log = opalog.New(o)
	settings.Log = s.log.Write
	return nil
}
