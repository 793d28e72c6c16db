package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/internal/testcert"
)

// TestListsOfRevokedCertificates reads lists beside authorities: there is one of each authority, or it is said whose is missing.
func TestListsOfRevokedCertificates(t *testing.T) {
	t.Parallel()
	var authorities, lists [2]string
	for i := range authorities {
		a, err := testcert.NewAuthority()
		if err != nil {
			t.Fatal(err)
		}
		list, err := a.Revoke()
		if err != nil {
			t.Fatal(err)
		}
		authorities[i], lists[i] = string(a.PEM), string(list)
	}
	for name, test := range map[string]struct{ ca, crl, want string }{
		"one":            {authorities[0], lists[0], ""},
		"one of each":    {authorities[0] + authorities[1], lists[1] + lists[0], ""},
		"of another":     {authorities[0], lists[1], "is signed by no authority in ca"},
		"one is missing": {authorities[0] + authorities[1], lists[0], "has no list, so that all of its clients would be refused"},
		"nothing":        {authorities[0], "nothing", "has no list"},
		"a certificate":  {authorities[0], authorities[0], "something that is no list of revoked certificates"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"ca.pem": test.ca, "crl.pem": test.crl, "bank.yaml": `schema: 1
kind: Gateway
name: edge
listeners: [{name: https, port: 8443, tls: {certificate: bank, clients: {ca: ./ca.pem, crl: ./crl.pem}}}]
`} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		docs, faults := config.Load(dir, config.Options{})
		if test.want == "" {
			if len(faults) > 0 || len(docs.Gateways[0].Listeners[0].TLS.Clients.Revoked) < len(test.crl)-10 {
				t.Errorf("%s: %v", name, faults)
			}
			continue
		}
		if len(faults) != 1 || !strings.Contains(faults[0].Message, test.want) {
			t.Errorf("%s: %v, want %q", name, faults, test.want)
		}
	}
}
