//go:build e2e

package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// bankIssuer is an issuer of the tests' documents, and the key by which its tokens are signed.
type bankIssuer struct{ issuer, key string }

// nordhaven is the issuer of the quickstart.
func nordhaven() bankIssuer {
	return bankIssuer{issuer: "https://login.nordhaven.test", key: filepath.Join(quickstart, "issuer.test-key.json")}
}

// suderbank is the second issuer of the golden cases.
func suderbank() bankIssuer {
	return bankIssuer{issuer: "https://login.suderbank.test", key: "testdata/suderbank.test-key.json"}
}

// token returns an authorization header with a token of the quickstart's issuer.
func token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return "authorization: Bearer " + nordhaven().token(t, claims)
}

// token returns a token for a customer of the bank, with other claims where they are given.
func (b bankIssuer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return b.typed(t, "JWT", claims)
}

// typed is token with a type of the token's own.
func (b bankIssuer) typed(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	text, err := os.ReadFile(b.key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwk.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{
		"iss": b.issuer, "aud": "payments", "role": "customer", "scope": "payments:read", "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	made := jwt.New()
	for name, value := range all {
		if err := made.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.TypeKey, typ); err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Sign(made, jwt.WithKey(jwa.ES256(), key, jws.WithProtectedHeaders(headers)))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}
