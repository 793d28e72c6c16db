package join_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/join"
)

// states returns the states of the roots, the oldest first.
func (h *house) states() []join.State {
	h.t.Helper()
	roots, err := h.authority.Roots(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var states []join.State
	for _, r := range roots {
		states = append(states, r.State)
	}
	return states
}

func (h *house) tend() {
	h.t.Helper()
	if err := h.authority.Tend(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// TestRootsRotate follows the roots through ten years: the next one is trusted before it signs, and the old one until nothing
// that it signed can be shown.
func TestRootsRotate(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	h := newHouse(t)
	for _, step := range []struct {
		after time.Duration
		want  []join.State
	}{
		{0, []join.State{join.Active}},
		{7 * year, []join.State{join.Active}},
		{year + time.Hour, []join.State{join.Active, join.Next}},
		{join.DefaultLife - time.Hour, []join.State{join.Active, join.Next}},
		{time.Hour, []join.State{join.Retired, join.Active}},
		{join.DefaultLife + join.DefaultWindow, []join.State{join.Retired, join.Active}},
		{time.Hour, []join.State{join.Active}},
	} {
		h.clock.advance(step.after)
		h.tend()
		if diff := cmp.Diff(step.want, h.states()); diff != "" {
			t.Fatalf("after %s more: %s", step.after, diff)
		}
	}
}

// TestRotationReachesEverybody rotates by hand, again and again, while nodes know older roots only: each follows, and so does
// who holds a token from before.
func TestRotationReachesEverybody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	early := h.joined("edge-1")
	token := h.token(join.Grant{Fleet: "edge", Life: 100 * time.Hour})
	for range 3 {
		for range 2 { // Made, then signing.
			if _, err := h.authority.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		h.clock.advance(time.Hour)
	}
	if diff := cmp.Diff([]join.State{join.Retired, join.Retired, join.Retired, join.Active}, h.states()); diff != "" {
		t.Fatal(diff)
	}
	if err := early.renew(); err != nil {
		t.Errorf("a node that knows the first root alone: %v", err)
	}
	if _, _, err := join.Join(t.Context(), h.first(token, "edge-2")); err != nil {
		t.Errorf("a token with the pin of the first root: %v", err)
	}
	if err := early.renew(); err != nil {
		t.Errorf("a node that knows all roots: %v", err)
	}
}

// TestVerify holds which certificates prove a node.
func TestVerify(t *testing.T) {
	t.Parallel()
	h, other := newHouse(t), newHouse(t)
	leaf := func(h *house, id join.Identity) []*x509.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		issued, err := h.authority.Node(key.Public(), id)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(issued.Chain)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return []*x509.Certificate{c}
	}
	edge := join.Identity{Fleet: "edge", Node: "edge-1"}
	good := leaf(h, edge)
	if id, err := h.authority.Verify(good); err != nil || id.URI() != "spiffe://gatehouse.internal/fleet/edge/node/edge-1" {
		t.Errorf("verified as %s, %v", id.URI(), err)
	}
	if c := good[0]; len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("a node's certificate is good for %v, %v", c.ExtKeyUsage, c.KeyUsage)
	}
	if _, err := h.authority.Verify(leaf(other, edge)); err == nil {
		t.Error("a certificate of another authority is accepted")
	}
	if _, err := h.authority.Verify(nil); err == nil || !strings.Contains(err.Error(), "gatehouse nodes join") {
		t.Errorf("no certificate: %v", err)
	}
	h.clock.advance(join.DefaultLife + time.Second)
	if _, err := h.authority.Verify(good); err == nil {
		t.Error("an expired certificate is accepted")
	}
	if _, err := h.authority.VerifyForRenewal(good); err != nil {
		t.Errorf("an expired certificate is not renewed: %v", err)
	}
	for _, wrong := range []join.Identity{{}, {Fleet: "edge"}, {Fleet: "a/b", Node: "x"}, {Fleet: "..", Node: "x"}, {Fleet: "edge", Node: "x\n"}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.authority.Node(key.Public(), wrong); err == nil {
			t.Errorf("a certificate was issued for %+v", wrong)
		}
	}
}

// TestAnotherTrustDomain holds that an authority does not change its trust domain under nodes that have joined.
func TestAnotherTrustDomain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := join.Open(t.Context(), h.kept, join.Options{Domain: "bank.test", Now: h.clock.Now})
	if err == nil || !strings.Contains(err.Error(), "another trust domain") {
		t.Errorf("opened with another trust domain: %v", err)
	}
	for _, domain := range []string{"Bank.test", "bank test", "bank/test", "spiffe://bank.test"} {
		if err := join.CheckDomain(domain); err == nil {
			t.Errorf("the trust domain %q is accepted", domain)
		}
	}
}
