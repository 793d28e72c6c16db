package join

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// Place is where one node keeps its key, certificate and trust bundle, in the layout that its Envoy's bootstrap names.
type Place struct{ Settings envoy.Settings }

// Kept is what a node knows about itself between two calls.
type Kept struct {
	Server   string   `json:"server"`             // Where it joined and renews: HOST:port.
	Joins    []string `json:"joins,omitempty"`    // Where else it may renew, as it was told last: the other replicas.
	Services []string `json:"services,omitempty"` // Where the services are, where somebody has said so once and for all.
	Zone     string   `json:"zone,omitempty"`     // In which its Envoy runs.
	Domain   string   `json:"domain"`
	Fleet    string   `json:"fleet"`
	Node     string   `json:"node"`
}

// servers returns where the node may ask, the first one first.
func (k Kept) servers() []string {
	servers := []string{k.Server}
	for _, s := range k.Joins {
		if s != k.Server {
			servers = append(servers, s)
		}
	}
	return servers
}

// keptFile is beside what Envoy reads.
const keptFile = "joined.json"

// held is a node's key and certificate, read from its place.
type held struct {
	pair   tls.Certificate
	leaf   *x509.Certificate
	bundle *x509.CertPool
}

// newKey makes a key and a request for a certificate, both PEM. The key stays here.
func newKey() (key, request []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key: %w", err)
	}
	asked, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return nil, nil, fmt.Errorf("make the certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: asked}), nil
}

// check holds an answer against the key that was made for it: what does not fit must not replace what works.
func (a Answer) check(key []byte, want Identity) error {
	pair, err := tls.X509KeyPair([]byte(a.Certificate), key)
	if err != nil {
		return errors.New("the certificate that came is not for the key that was made")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fmt.Errorf("read the certificate that came: %w", err)
	}
	got, err := identityOf(leaf, want.Domain)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the certificate that came is for %s, not for %s", got.URI(), want.URI())
	}
	_, err = parseCertificates([]byte(a.Bundle))
	return err
}

// Write puts a key and what came for it in place, all of it by one rename, which Envoy watches for: it never reads a key with
// another's certificate. The files can be read by this user alone.
func (p Place) Write(key []byte, a Answer) error {
	dir := p.Settings.IdentityDir()
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make the directory of the certificate: %w", err)
	}
	fresh, err := os.MkdirTemp(dir, ".set-")
	if err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	link := filepath.Join(dir, filepath.Base(fresh)+"-link")
	err = errors.Join(
		put(fresh, envoy.FileKey, key), put(fresh, envoy.FileCertificate, []byte(a.Certificate)), put(fresh, envoy.FileBundle, []byte(a.Bundle)))
	if err == nil {
		err = os.Symlink(filepath.Base(fresh), link)
	}
	if err == nil {
		err = errors.Join(syncDir(fresh), os.Rename(link, filepath.Join(dir, envoy.CurrentIdentity)), syncDir(dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the certificate: %w", err), os.RemoveAll(fresh), removeIfThere(link))
	}
	return p.sweep(filepath.Base(fresh))
}

// sweep removes older sets: their keys are of no use to anybody who should have them.
func (p Place) sweep(keep string) error {
	entries, err := os.ReadDir(p.Settings.IdentityDir())
	if err != nil {
		return fmt.Errorf("remove older keys: %w", err)
	}
	var failed []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".set-") && e.Name() != keep {
			failed = append(failed, os.RemoveAll(filepath.Join(p.Settings.IdentityDir(), e.Name())))
		}
	}
	return errors.Join(failed...)
}

// Modes of what only the node's user may read.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// put writes a new file whole, to the disk.
func put(dir, name string, content []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes what was made and renamed in a directory outlive a loss of power: older keys are removed right after.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// WriteKept keeps what the next renewal needs to know.
func (p Place) WriteKept(k Kept) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write what was agreed: %w", err)
	}
	temporary := "." + keptFile + ".new"
	if err := removeIfThere(filepath.Join(p.Settings.Dir, temporary)); err != nil {
		return err
	}
	if err := put(p.Settings.Dir, temporary, append(text, '\n')); err != nil {
		return fmt.Errorf("write what was agreed: %w", err)
	}
	return os.Rename(filepath.Join(p.Settings.Dir, temporary), filepath.Join(p.Settings.Dir, keptFile))
}

// ReadKept returns what is known in a directory that a node joined from.
func ReadKept(dir string) (Kept, error) {
	var k Kept
	text, err := readFile(filepath.Join(dir, keptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("nobody has joined with the directory %s: see \"gatehouse nodes join\"", dir)
	}
	if err != nil {
		return k, err
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&k); err != nil {
		return k, fmt.Errorf("read %s: %w", filepath.Join(dir, keptFile), err)
	}
	return k, nil
}

// read returns the key and certificate that are in place.
func (p Place) read() (*held, error) {
	dir := filepath.Join(p.Settings.IdentityDir(), envoy.CurrentIdentity)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, envoy.FileCertificate), filepath.Join(dir, envoy.FileKey))
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate: %w", err)
	}
	if _, ok := pair.PrivateKey.(crypto.Signer); !ok {
		return nil, errors.New("the node's key cannot sign")
	}
	roots, err := certificates(filepath.Join(dir, envoy.FileBundle))
	if err != nil {
		return nil, err
	}
	h := &held{pair: pair, leaf: leaf, bundle: x509.NewCertPool()}
	for _, r := range roots {
		h.bundle.AddCert(r)
	}
	return h, nil
}

// renewAt returns when the certificate is to be replaced.
func (h *held) renewAt() time.Time { return renewalOf(h.leaf.NotBefore, h.leaf.NotAfter) }
