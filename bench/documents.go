package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/internal/mint"
)

// The customer who asks for her own payments.
const (
	customer     = "alice"
	customerPath = "/" + customer
)

// quickstart is where the example lies in the checkout.
func (b *bench) quickstart() string { return filepath.Join(b.root, "examples", "quickstart") }

// bankDocuments writes the quickstart's documents into a directory of this run, with the listener and the backends at other
// addresses and a limit that refuses nobody, and beside them APIs that ask less of Gatehouse.
func (b *bench) bankDocuments(name string, port int, backends map[string]string) (string, error) {
	dir, err := b.subdir(name)
	if err != nil {
		return "", err
	}
	replace := strings.NewReplacer(
		"port: 8080", fmt.Sprintf("port: %d", port), "limit: 5\n", "limit: 1000000000\n",
		"127.0.0.1:9001", backends["first"], "127.0.0.1:9002", backends["second"],
	)
	err = filepath.WalkDir(b.quickstart(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to, err := filepath.Rel(b.quickstart(), path)
		if err != nil {
			return err
		}
		return writeFile(filepath.Join(dir, to), replace.Replace(string(text)))
	})
	if err == nil {
		err = writeFile(filepath.Join(dir, "variants.yaml"), variantDocuments())
	}
	if err != nil {
		return "", fmt.Errorf("write the documents: %w", err)
	}
	return dir, nil
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// token returns the authorization header of the customer, signed by the quickstart's issuer.
func (b *bench) token() (string, error) {
	key, err := os.ReadFile(filepath.Join(b.quickstart(), "issuer.test-key.json"))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	signed, err := mint.Token(mint.Request{
		Key: key, Issuer: "https://login.nordhaven.test", Now: time.Now(), TTL: time.Hour,
		Claims: map[string]any{"sub": customer, "aud": "payments", "role": "customer", "scope": "payments:read"},
	})
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return "Bearer " + signed, nil
}

// secret signs the tokens of the policy that verifies them itself.
const secret = "an invented secret of the benchmark"

// symmetricToken returns an authorization header with a token signed by HS256.
func symmetricToken() string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"iss":"https://login.nordhaven.test","sub":%q,"aud":"payments","role":"customer","exp":%d}`, customer, time.Now().Add(time.Hour).Unix()))
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write([]byte(signed))
	return "Bearer " + signed + "." + encode(sum.Sum(nil))
}

// freePort returns a port on which nobody listens.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }() // Nobody has connected.
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a free port: %s is none", l.Addr())
	}
	return address.Port, nil
}

// parse reads JSON of a child.
func parse[T any](text string) (T, error) {
	var value T
	err := json.Unmarshal([]byte(text), &value)
	return value, err
}
