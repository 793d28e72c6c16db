package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/authz/bundle"
	"github.com/gatehouse/gatehouse/gateway"
)

// kindBundle is the kind under which the store keeps the last good archive of each Bundle.
const kindBundle = "bundle"

// Bounds of bundles that replicas share: of what one unpacks to, and of a call of the store.
const (
	bundleLimit     = 64 << 20
	bundleStoreTime = 5 * time.Second
	bundleRedirects = 3
)

// bundles follows the Bundles of all entries that some node has or is to have. Who leads asks where they are and keeps what is good
// in the store; the others take it from there.
type bundles struct {
	server *Server

	mu       sync.Mutex
	followed map[string]*followedBundle // By name.
	ended    bool
}

// followedBundle is a Bundle that is followed.
type followedBundle struct {
	document *gateway.Bundle
	settings string
	follower *bundle.Follower
	source   *sharedSource
	cancel   context.CancelFunc
	done     chan struct{}
}

// want follows these Bundles and no others. What the store has of a new one is in use when it returns.
func (b *bundles) want(list []*gateway.Bundle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	wanted := map[string]bool{}
	for _, document := range list {
		wanted[document.Name] = true
		settings := gateway.ContentHash(document)
		if before := b.followed[document.Name]; before != nil {
			if before.settings == settings {
				continue
			}
			before.end()
		}
		b.followed[document.Name] = b.follow(document, settings)
	}
	for name, f := range b.followed {
		if !wanted[name] {
			f.end()
			delete(b.followed, name)
		}
	}
}

// stop ends all following.
func (b *bundles) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for _, f := range b.followed {
		f.end()
	}
	clear(b.followed)
}

// poke has those Bundles looked at now of which the store has something new.
func (b *bundles) poke(changed func(kind, name string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.followed {
		if changed(kindBundle, f.document.Source()) {
			f.source.poke()
		}
	}
}

// failing returns the names of the Bundles whose last update failed.
func (b *bundles) failing() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name, f := range b.followed {
		if f.follower.Status().Failures > 0 {
			names = append(names, name)
		}
	}
	return names
}

func (f *followedBundle) end() {
	f.cancel()
	<-f.done
}

// follow begins to follow a Bundle.
func (b *bundles) follow(document *gateway.Bundle, settings string) *followedBundle {
	ctx, cancel := context.WithCancel(context.Background())
	source := &sharedSource{server: b.server, name: document.Source(), from: b.server.bundleSource(document)}
	out := &followedBundle{document: document, settings: settings, source: source, cancel: cancel, done: make(chan struct{})}
	out.follower = &bundle.Follower{
		Options: bundleOptions(document), Source: source, Polling: bundle.Polling{Min: document.Interval * 9 / 10, Max: document.Interval * 11 / 10},
		Use: b.server.authz.UseBundle, Keep: source.keep, Logger: b.server.log, After: source.after,
	}
	if err := out.follower.Step(ctx); err != nil { // From the store.
		b.server.log.Warn("bundle in the store not used", "bundle", document.Name, "error", err)
	}
	go func() {
		defer close(out.done)
		out.follower.Run(ctx)
	}()
	return out
}

// bundleOptions is what a bundle has to be to be used.
func bundleOptions(document *gateway.Bundle) bundle.Options {
	options := bundle.Options{Name: document.Name, Limit: bundleLimit}
	if document.Verify != nil {
		options.Verify = &bundle.Verification{Keys: map[string]bundle.Key{document.KeyID: {Text: string(document.Verify), Algorithm: algorithm(document.Verify)}}}
	}
	return options
}

// algorithm returns by which algorithm a public key verifies, in the words of OPA's configuration.
func algorithm(key []byte) string {
	block, _ := pem.Decode(key)
	if block == nil {
		return ""
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "" // The document's loader has refused it.
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return "RS256"
}

// bundleSource is where a Bundle's document says that it is.
func (s *Server) bundleSource(document *gateway.Bundle) bundle.Source {
	if document.URL == "" {
		return bundle.Directory{Path: s.onHost(document.Path), Limit: bundleLimit}
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: bundleStoreTime, ResponseHeaderTimeout: 2 * bundleStoreTime, MaxIdleConnsPerHost: 1,
		IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if document.CA != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(document.CA)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > bundleRedirects {
			return errors.New("it is redirected too often")
		}
		return gateway.CheckSafeURL(to.URL.String(), document.Insecure)
	}}
	return bundle.Server{URL: document.URL, Client: client, Limit: bundleLimit, Head: func(header http.Header) error {
		if document.Token == "" {
			return nil
		}
		token, err := s.secretOf(document.Token)
		if err == nil {
			header.Set("Authorization", "Bearer "+token)
		}
		return err
	}}
}

// onHost returns the path of a file that documents name.
func (s *Server) onHost(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.options.Config, path)
}

// secretOf reads a secret where a document says it is. The error does not quote it.
func (s *Server) secretOf(reference string) (string, error) {
	kind, rest, _ := strings.Cut(reference, ":")
	if kind == "env" {
		if s.options.Lookup != nil {
			if value, ok := s.options.Lookup(rest); ok {
				return strings.TrimSpace(value), nil
			}
		}
		return "", fmt.Errorf("there is no environment variable %s", rest)
	}
	text, err := os.ReadFile(s.onHost(rest))
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// sharedSource is the source of a Bundle that replicas share: at first, and while another one leads, it is what the store has.
type sharedSource struct {
	server *Server
	name   string
	from   bundle.Source
	begun  bool // What the store had was asked for. Only Fetch uses it, one call after the other.

	mu    sync.Mutex
	early chan time.Time // Told where nobody should wait any longer.
}

// fromStore begins the ETag of what came from the store; the version follows.
const fromStore = "store "

// Fetch returns what there is.
func (s *sharedSource) Fetch(ctx context.Context, etag string) (bundle.Fetched, error) {
	if s.begun && s.leads() {
		if strings.HasPrefix(etag, fromStore) {
			etag = ""
		}
		return s.from.Fetch(ctx, etag)
	}
	s.begun = true
	ctx, cancel := context.WithTimeout(ctx, bundleStoreTime)
	defer cancel()
	stored, err := keptObserved{s.server}.Get(ctx, kindBundle, s.name)
	if err != nil {
		return bundle.Fetched{}, err
	}
	now := fromStore + strconv.FormatInt(stored.Version, 10)
	if stored.Version == 0 || now == etag {
		return bundle.Fetched{Unchanged: true}, nil
	}
	return bundle.Fetched{Archive: stored.Value, ETag: now}, nil
}

func (s *sharedSource) leads() bool { return s.server.cluster == nil || s.server.cluster.leads.Load() }

// keep writes an archive that came into use to the store, where this process leads and it is another one.
func (s *sharedSource) keep(archive []byte) {
	if !s.leads() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bundleStoreTime)
	defer cancel()
	kept := keptObserved{s.server}
	before, err := kept.Get(ctx, kindBundle, s.name)
	if err == nil && !bytes.Equal(before.Value, archive) {
		_, err = kept.Put(ctx, kindBundle, s.name, before.Version, archive, "")
	}
	if err != nil {
		s.server.log.Error("bundle cannot be kept", "bundle", s.name, "error", err)
	}
}

// after is the follower's clock: it goes off early where the store has something new, and who does not lead looks there often.
func (s *sharedSource) after(d time.Duration) <-chan time.Time {
	if !s.leads() {
		d = min(d, followEvery)
	}
	early := make(chan time.Time, 1)
	s.mu.Lock()
	s.early = early
	s.mu.Unlock()
	time.AfterFunc(d, func() { tick(early) })
	return early
}

// poke ends the follower's pause.
func (s *sharedSource) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.early != nil && !s.leads() {
		tick(s.early)
	}
}

func tick(clock chan time.Time) {
	select {
	case clock <- time.Time{}:
	default: // It went off already.
	}
}
