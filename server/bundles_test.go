package server_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// signer signs bundles as `opa sign` does (OPA's documentation, "Bundles", "Signing").
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

// public is the key by which signatures are checked, PEM.
func (s signer) public(t *testing.T) string {
	t.Helper()
	text, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: text}))
}

// bundle is a signed archive with one module, which is to own data.bank.
func (s signer) bundle(t *testing.T, rego string) []byte {
	t.Helper()
	const manifest = `{"roots":["bank"]}`
	sum := func(name, text string) map[string]string {
		return map[string]string{"name": name, "hash": fmt.Sprintf("%x", sha256.Sum256([]byte(text))), "algorithm": "SHA-256"}
	}
	payload, err := json.Marshal(map[string]any{"files": []any{sum(".manifest", manifest), sum("bank.rego", rego)}})
	if err != nil {
		t.Fatal(err)
	}
	said := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"bank"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(said))
	r, z, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	token := said + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), z.FillBytes(make([]byte, 32))...))
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for name, text := range map[string]string{"/.manifest": manifest, "/bank.rego": rego, "/.signatures.json": `{"signatures": ["` + token + `"]}`} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bundleServer hands out an archive to who has the token.
type bundleServer struct {
	*httptest.Server
	mu      sync.Mutex
	archive []byte
	asked   map[string]int // By the answer: 200, 304, 401.
}

const bundleToken = "the bundles' token"

func newBundleServer(t *testing.T) *bundleServer {
	t.Helper()
	b := &bundleServer{asked: map[string]int{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(b.archive))
		status := http.StatusOK
		switch {
		case r.Header.Get("Authorization") != "Bearer "+bundleToken:
			status = http.StatusUnauthorized
		case r.Header.Get("If-None-Match") == tag:
			status = http.StatusNotModified
		}
		b.asked[fmt.Sprint(status)]++
		w.Header().Set("ETag", tag)
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = w.Write(b.archive)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bundleServer) set(archive []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.archive = archive
}

func (b *bundleServer) answered(status string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[status]
}

// follow writes documents whose route is decided by the bundle, and says where its token is.
func (b *bundleServer) follow(t *testing.T, s signer) func(*server.Options) {
	t.Helper()
	return func(o *server.Options) {
		write(t, o.Config, "key.pem", s.public(t))
		write(t, o.Config, "bundle.yaml", `
schema: 1
kind: Bundle
name: bank
url: "`+b.URL+`/bank.tar.gz"
interval: 1s
token: env:BUNDLE_TOKEN
verify: {key: ./key.pem, key-id: bank}
---
kind: Policy
name: doors
bundle: bank
entry: bank/allow
---
kind: API
name: doors
version: v1
expose: [{gateway: edge, base: /doors}]
authenticate: none
authorize: doors
to: bank
`)
		o.Lookup = func(name string) (string, bool) { return bundleToken, name == "BUNDLE_TOKEN" }
	}
}

// doors returns a module that allows one path.
func doors(open string) string {
	return "package bank\n\ndefault allow := false\n\nallow if input.parsed_path[1] == \"" + open + "\"\n"
}

// opens waits until a server lets requests to one door through, and to no other.
func opens(t *testing.T, s *server.Server, open, closed string) {
	t.Helper()
	rules := rulesOf(t, s, "http://bank.test:8080/doors/"+open)
	eventually(t, open+" is open, and not "+closed, func() bool {
		return checkOnce(t, s, rules, "/doors/"+open, "1").GetOkResponse() != nil && checkOnce(t, s, rules, "/doors/"+closed, "2").GetDeniedResponse() != nil
	})
}

// TestBundleByURL follows a signed bundle of a server that asks for a token: a change is in use, what somebody else signed is not, and
// after a restart without the server the last good one decides.
func TestBundleByURL(t *testing.T) {
	t.Parallel()
	bank, stranger, b := newSigner(t), newSigner(t), newBundleServer(t)
	b.set(bank.bundle(t, doors("front")))
	o := server.Options{Config: t.TempDir(), State: needs.SocketDir(t)}
	write(t, o.Config, "gateway.yaml", gatewayDocument)
	write(t, o.Config, "bank.yaml", bankDocument)
	b.follow(t, bank)(&o)
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	opens(t, s, "front", "back")
	eventually(t, "the server is asked whether there is something new", func() bool { return b.answered("304") > 0 })
	b.set(bank.bundle(t, doors("back")))
	opens(t, s, "back", "front")
	taken := b.answered("200")
	b.set(stranger.bundle(t, doors("front")))
	eventually(t, "what a stranger signed is fetched", func() bool { return b.answered("200") > taken })
	eventually(t, "its failure is counted", func() bool { return strings.Contains(metrics(t, s.Addrs().Admin), "gatehouse_bundles_failing 1") })
	opens(t, s, "back", "front")
	if n := b.answered("401"); n > 0 {
		t.Errorf("it was asked %d times without the token", n)
	}
	b.Close()
	stop(t, s)
	opens(t, start(t, o), "back", "front")
}

// TestReplicasShareABundle has the leader of two replicas fetch a bundle: the other one has it from the store, and whoever leads
// next goes on.
func TestReplicasShareABundle(t *testing.T) {
	t.Parallel()
	bank, b := newSigner(t), newBundleServer(t)
	b.set(bank.bundle(t, doors("front")))
	r := newReplicas(t, 2, func(o *server.Options) {
		o.Lease = 10 * lease // So that on a busy machine the leader stays the one until it is stopped.
		b.follow(t, bank)(o)
	})
	both := func(open, closed string) {
		t.Helper()
		for _, s := range r.all {
			opens(t, s, open, closed)
		}
	}
	r.serving(1)
	both("front", "back")
	if n := b.answered("200"); n != 1 {
		t.Errorf("the bundle was fetched %d times for two replicas", n)
	}
	b.set(bank.bundle(t, doors("back")))
	both("back", "front")
	if n := b.answered("200"); n != 2 {
		t.Errorf("the bundle and its change were fetched %d times for two replicas", n)
	}
	leader, follower := r.leader()
	stop(t, r.all[leader])
	eventually(t, "the other one leads", func() bool { return r.all[follower].Leads() })
	b.set(bank.bundle(t, doors("side")))
	opens(t, r.all[follower], "side", "back")
}
