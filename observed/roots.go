package observed

import (
	"os"

	"github.com/gatehouse/gatehouse/gateway"
)

// rootFiles are where systems keep the authorities that they trust, all in one file: Debian and Alpine, Fedora and Red Hat, SUSE,
// OpenBSD and macOS.
func rootFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
	}
}

// Roots returns the authorities that this system trusts. ok is false where no file of them can be read.
func Roots() (roots gateway.Roots, ok bool) {
	for _, path := range rootFiles() {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			return gateway.Roots{File: path, PEM: text}, true
		}
	}
	return gateway.Roots{}, false
}
