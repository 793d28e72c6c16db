package join_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
)

func TestJoin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key, answer, err := join.Join(t.Context(), h.first(h.token(join.Grant{Fleet: "edge"}), "edge-1"))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Fleet != "edge" || answer.Node != "edge-1" || answer.Domain != join.DefaultDomain {
		t.Errorf("joined as %+v", answer)
	}
	if len(answer.Services) != 1 || answer.Services[0] != "127.0.0.1:18000" {
		t.Errorf("the services are at %q, want them at the address of the server that was asked", answer.Services)
	}
	if want := h.clock.Now().Add(join.DefaultLife); !answer.Expires.Equal(want) {
		t.Errorf("the certificate expires at %s, want %s", answer.Expires, want)
	}
	if printed := fmt.Sprintf("%v %s %+v %#v", key, key, key, key); strings.Contains(printed, "PRIVATE") {
		t.Errorf("a key prints as %s", printed)
	}
	if text := h.logged(); strings.Contains(text, join.TokenPrefix) || strings.Contains(text, "PRIVATE") {
		t.Errorf("the log holds a token or a key:\n%s", text)
	}
}

// TestTokensAreRefusedAlike holds that a stranger learns nothing: neither by the words nor by the status.
func TestTokensAreRefusedAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	used := h.token(join.Grant{Fleet: "edge"})
	if _, _, err := join.Join(t.Context(), h.first(used, "edge-1")); err != nil {
		t.Fatal(err)
	}
	expired := h.token(join.Grant{Fleet: "edge", Life: time.Minute})
	h.clock.advance(time.Minute)
	revoked := h.token(join.Grant{Fleet: "edge"})
	tokens, err := h.service.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.service.Revoke(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	named := h.token(join.Grant{Fleet: "edge", Node: "edge-9"})
	other := newHouse(t) // Its token, shown here, must fail at the pin before it is shown at all.
	for name, token := range map[string]string{"used": used, "expired": expired, "revoked": revoked, "another node's": named} {
		_, _, err := join.Join(t.Context(), h.first(token, "edge-2"))
		if err == nil || !strings.HasSuffix(err.Error(), join.ErrRefused.Error()) {
			t.Errorf("%s: %v, want %q", name, err, join.ErrRefused)
		}
	}
	_, _, err = join.Join(t.Context(), h.first(other.token(join.Grant{Fleet: "edge"}), "edge-2"))
	if !errors.Is(err, join.ErrPin) {
		t.Errorf("a token of another authority: %v, want %v", err, join.ErrPin)
	}
	if c := h.service.Counts(); c.Joined != 1 || c.Refused != 4 {
		t.Errorf("counted %+v, want 1 joined and 4 refused", c)
	}
	for _, reason := range []string{"no use left", "for another node"} {
		if !strings.Contains(h.logged(), reason) {
			t.Errorf("the log does not say %q", reason)
		}
	}
}

// TestTheLastUseIsTakenOnce lets many join by a token of one use at once.
func TestTheLastUseIsTakenOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.token(join.Grant{Fleet: "edge", Uses: 3})
	var group sync.WaitGroup
	var mu sync.Mutex
	joined := 0
	for i := range 10 {
		group.Go(func() {
			if _, _, err := join.Join(t.Context(), h.first(token, fmt.Sprintf("edge-%d", i))); err == nil {
				mu.Lock()
				joined++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if joined != 3 {
		t.Errorf("%d nodes joined by a token of 3 uses", joined)
	}
}

// TestABadCallCostsNoUse sends what is no request for a certificate, and joins by the same token then.
func TestABadCallCostsNoUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.token(join.Grant{Fleet: "edge"})
	if _, _, err := join.Join(t.Context(), h.first(token, "a/b")); err == nil || !strings.Contains(err.Error(), `node name "a/b"`) {
		t.Errorf("a node named a/b: %v", err)
	}
	for _, request := range []string{"", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", strings.Repeat("x", 1<<20)} {
		if _, err := join.CallForTest(t.Context(), h.address, token, "edge-1", request, h.clock.Now); err == nil {
			t.Errorf("the request %.60q was answered", request)
		}
	}
	if _, _, err := join.Join(t.Context(), h.first(token, "edge-1")); err != nil {
		t.Errorf("after bad calls: %v", err)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := h.joined("edge-1")
	keyFile := filepath.Join(n.place.Settings.IdentityDir(), envoy.CurrentIdentity, envoy.FileKey)
	before, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	due, err := n.place.Due()
	if err != nil {
		t.Fatal(err)
	}
	if left := due.Sub(h.clock.Now()); left < 15*time.Hour || left > 16*time.Hour {
		t.Errorf("the renewal is due in %s, want it at two thirds of 24 h", left)
	}
	h.clock.advance(16 * time.Hour)
	if err := n.renew(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) == string(after) {
		t.Error("the key is the same after a renewal")
	}
	if again, err := n.place.Due(); err != nil || !again.After(due) {
		t.Errorf("the next renewal is due at %s, %v", again, err)
	}
	sets, err := filepath.Glob(filepath.Join(n.place.Settings.IdentityDir(), ".set-*"))
	if err != nil || len(sets) != 1 {
		t.Errorf("after a renewal there are the sets %q, %v: want the present one", sets, err)
	}
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

// TestHostThatWasOff renews after the certificate's end: within the window by proof of the key, beyond it not.
func TestHostThatWasOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	within, beyond := h.joined("edge-1"), h.joined("edge-2")
	h.clock.advance(join.DefaultLife + join.DefaultWindow - time.Minute)
	if err := within.renew(); err != nil {
		t.Errorf("within the window: %v", err)
	}
	h.clock.advance(2 * time.Minute)
	if err := beyond.renew(); err == nil || !strings.Contains(err.Error(), join.ErrExpired.Error()) {
		t.Errorf("beyond the window: %v, want %v", err, join.ErrExpired)
	}
	if err := within.renew(); err != nil {
		t.Errorf("the renewed one: %v", err)
	}
}
