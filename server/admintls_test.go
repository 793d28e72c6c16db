package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/internal/testcert"
	"github.com/gatehouse/gatehouse/server"
)

// pair makes a certificate and its key, in files.
func pair(t *testing.T, dir, name string, hosts ...string) (chain, key string, both tls.Certificate) {
	t.Helper()
	c, k, err := testcert.Make(testcert.Settings{Hosts: hosts, Common: name})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, name+".pem", string(c))
	write(t, dir, name+".key", string(k))
	if both, err = tls.X509KeyPair(c, k); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), both
}

// TestAdminOverTLS serves the management API over TLS: client certificates have the roles of their rules, and those of others none.
func TestAdminOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain, key, own := pair(t, dir, "gate", "gate.bank.test", "127.0.0.1")
	ca, _, deploy := pair(t, dir, "deploy", "deploy.bank.test")
	_, _, mallory := pair(t, dir, "mallory", "deploy.bank.test")
	s := start(t, server.Options{
		State: needs.SocketDir(t), Listen: server.Addresses{Admin: "127.0.0.1:0"}, AdminHosts: []string{"gate.bank.test"},
		AdminTLS: server.AdminTLS{Certificate: chain, Key: key, ClientCA: ca},
		Callers:  admin.CallerRules{Certificates: []admin.CertificateRule{{Name: "deploy.bank.test", Role: admin.Operator}}},
	})
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	ask := func(host, path, origin string, certificates ...tls.Certificate) (int, string) {
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12}}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addrs().Admin+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		if origin != "" {
			request.Header.Set("Origin", origin)
		}
		response, err := c.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	if got, text := ask("gate.bank.test", "/v1/caller", "", deploy); got != 200 || !strings.Contains(text, `"certificate deploy.bank.test"`) || !strings.Contains(text, `"operator"`) {
		t.Errorf("with a certificate: %d %s", got, text)
	}
	if got, text := ask("gate.bank.test", "/v1/access", "", deploy); got != http.StatusForbidden {
		t.Errorf("what an operator may not: %d %s", got, text)
	}
	if got, text := ask("gate.bank.test", "/v1/caller", ""); got != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d %s", got, text)
	}
	if got, text := ask("gate.bank.test", "/v1/caller", "", mallory); got != 0 && got != http.StatusUnauthorized {
		t.Errorf("with a certificate of another authority: %d %s", got, text)
	}
	if got, _ := ask("evil.test", "/v1/caller", "", deploy); got != http.StatusMisdirectedRequest {
		t.Errorf("a rebound name: %d", got)
	}
	if got, _ := ask("gate.bank.test", "/v1/caller", "https://evil.test", deploy); got != http.StatusForbidden {
		t.Errorf("another site: %d", got)
	}
	if got, _ := ask("gate.bank.test", "/v1/caller", "https://gate.bank.test", deploy); got != 200 {
		t.Errorf("its own page: %d", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "admin-token")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a first token was made though certificates let callers in: %v", err)
	}
	// In the clear nothing is answered.
	c, err := net.Dial("tcp", s.Addrs().Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v1/caller HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(c); strings.Contains(string(text), "caller") || strings.Contains(string(text), " 200 ") {
		t.Errorf("in the clear: %s", text)
	}
}
