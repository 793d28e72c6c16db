//go:build e2e

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// freshKey is a key of an issuer: its public half as JSON, and an aim with a token that it signed.
func freshKey(t *testing.T, id string) (public string, signed bankIssuer) {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: id, jwk.AlgorithmKey: "ES256", jwk.KeyUsageKey: "sig"} {
		if err := private.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	half, err := private.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	text, err := json.Marshal(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(half)
	if err != nil {
		t.Fatal(err)
	}
	return string(shown), bankIssuer{issuer: "https://login.rotating.test", key: file}
}

// keysRotate replaces an issuer's key as issuers do: the new one is published beside the old, then used, then the old one goes.
func keysRotate(t *testing.T) {
	issuer := func(keys ...string) string {
		return fmt.Sprintf("schema: 1\nkind: Issuer\nname: rotating\nissuer: https://login.rotating.test\naudiences: [payments]\njwks:\n  inline: {keys: [%s]}\n",
			strings.Join(keys, ", "))
	}
	public, signer := freshKey(t, "key-0")
	w := twoBackends(t, map[string]string{
		"issuer.yaml": issuer(public),
		"cards.yaml":  strings.Replace(extra("cards", "/cards"), "authenticate: none", "authenticate: {jwt: rotating}", 1),
	})
	by := func(signer bankIssuer) []aim {
		token := "Bearer " + signer.token(t, map[string]any{"sub": "alice"})
		return []aim{{path: "/cards", header: http.Header{"Authorization": {token}}, backends: []string{"first"}}}
	}
	r := w.traffic("PORT", by(signer)...)
	for i := range times(3, 50) {
		fresh, next := freshKey(t, fmt.Sprintf("key-%d", i+1))
		w.change(map[string]string{"issuer.yaml": issuer(public, fresh)})
		r.aim(by(next)...)
		w.change(map[string]string{"issuer.yaml": issuer(fresh)})
		public = fresh
	}
	r.stop()
}
