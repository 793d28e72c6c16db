package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	opabundle "github.com/open-policy-agent/opa/v1/bundle"

	"github.com/gatehouse/gatehouse/authz/bundle"
)

// archive packs files as `opa build` does.
func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

const allow = "package envoy.authz\n\ndefault allow := false\n\nallow if data.roles[input.user] == \"teller\"\n"

func good() map[string]string {
	return map[string]string{
		"/authz.rego": allow, "/roles/data.json": `{"alice": "teller"}`,
		"/.manifest": `{"revision": "r7", "roots": ["envoy/authz", "roles"]}`,
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	b, err := bundle.Read(archive(t, good()), bundle.Options{Name: "bank"})
	if err != nil {
		t.Fatal(err)
	}
	if b.Revision != "r7" || !slices.Equal(b.Roots, []string{"envoy/authz", "roles"}) || len(b.Modules) != 1 {
		t.Errorf("read %+v", b)
	}
	if roles := fmt.Sprint(b.Data); roles != "map[roles:map[alice:teller]]" {
		t.Errorf("data is %s", roles)
	}
}

// TestHostileArchives reads what nobody means well with: each is refused, and soon.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	bomb := archive(t, map[string]string{"/data.json": `"` + strings.Repeat("a", 8<<20) + `"`})
	if len(bomb) > 64<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	many := map[string]string{}
	for i := range 5000 {
		many[fmt.Sprintf("/d%d/data.json", i)] = `{"a": "` + strings.Repeat("b", 1000) + `"}`
	}
	unsigned := good()
	unsigned["/.signatures.json"] = `{"signatures": ["e30.e30.e30"]}`
	for name, test := range map[string]struct {
		archive []byte
		want    string
	}{
		"bomb":              {bomb, "unpacks to more than"},
		"many files":        {archive(t, many), "unpacks to more than"},
		"too large":         {make([]byte, 2<<20), "of at most"},
		"upwards":           {archive(t, map[string]string{"../../etc/cron.d/data.json": "{}"}), "leads out of it"},
		"upwards inside":    {archive(t, map[string]string{"/a/../../data.json": "{}"}), "leads out of it"},
		"no gzip":           {[]byte("hello"), "no gzip"},
		"empty":             {nil, "no gzip"},
		"half":              {archive(t, good())[:100], "no tar"},
		"no rego":           {archive(t, map[string]string{"/a.rego": "package"}), "rego_parse_error"},
		"no JSON":           {archive(t, map[string]string{"/data.json": "{"}), "data.json"},
		"outside its roots": {archive(t, map[string]string{"/.manifest": `{"roots": ["a"]}`, "/data.json": `{"b": 1}`}), "roots"},
		"changes":           {archive(t, map[string]string{"/patch.json": `{"data": [{"op": "upsert", "path": "/a", "value": 1}]}`}), "changes of another one"},
		"signed by who":     {archive(t, unsigned), "verification key not provided"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := bundle.Read(test.archive, bundle.Options{Name: "bank", Limit: 1 << 20})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// pair is a key to sign with, and the one to check by.
func pair(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}))
}

// signed is a bundle as `opa build --signing-key` makes it.
func signed(t *testing.T, private, rego string) []byte {
	t.Helper()
	module, err := ast.ParseModuleWithOpts("/authz.rego", rego, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	b := opabundle.Bundle{
		Manifest: opabundle.Manifest{Revision: "signed", Roots: &[]string{"envoy/authz"}},
		Data:     map[string]any{},
		Modules:  []opabundle.ModuleFile{{URL: "/authz.rego", Path: "/authz.rego", Raw: []byte(rego), Parsed: module}},
	}
	if err := b.GenerateSignature(opabundle.NewSigningConfig(private, "ES256", ""), "bank", false); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := opabundle.NewWriter(&packed).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	private, public := pair(t)
	_, other := pair(t)
	by := func(key string) *bundle.Verification {
		return &bundle.Verification{Keys: map[string]bundle.Key{"bank": {Text: key, Algorithm: "ES256"}}}
	}
	whole := signed(t, private, allow)
	for name, test := range map[string]struct {
		archive []byte
		verify  *bundle.Verification
		want    string // In the error; empty: none.
	}{
		"good":        {whole, by(public), ""},
		"another key": {whole, by(other), "verif"},
		"no key":      {whole, nil, "verification key not provided"},
		"unsigned":    {archive(t, good()), by(public), ".signatures.json"},
		"changed":     {repacked(t, whole, "/authz.rego", allow+"\nallow if true\n"), by(public), "digest mismatch"},
		"added":       {repacked(t, whole, "/more.rego", "package envoy.authz\nallow if true\n"), by(public), "not included in bundle signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := bundle.Read(test.archive, bundle.Options{Name: "bank", Verify: test.verify})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// repacked is an archive in which one file is another one.
func repacked(t *testing.T, packed []byte, name, text string) []byte {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
	files[name] = text
	return archive(t, files)
}

func TestReadPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"authz.rego": allow, "roles.json": `{"roles": {"alice": "teller"}}`, "bank/limits.yaml": "limits: {alice: 100}\n",
		".hidden/data.json": `{"no": 1}`, "README.md": "# words",
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := bundle.ReadPath(dir, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if data := fmt.Sprint(b.Data); data != "map[bank:map[limits:map[alice:100]] roles:map[alice:teller]]" || len(b.Modules) != 1 {
		t.Errorf("data is %s, modules %v", data, b.Modules)
	}
	if _, err := bundle.ReadPath(dir, bundle.Options{Limit: 10}); !errors.Is(err, bundle.ErrSize) {
		t.Errorf("a directory that is too large: %v", err)
	}
	if _, err := bundle.ReadPath(filepath.Join(dir, "nothing"), bundle.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	packed := filepath.Join(dir, "b.tar.gz")
	if err := os.WriteFile(packed, archive(t, good()), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := bundle.ReadPath(packed, bundle.Options{Name: "b"}); err != nil || b.Revision != "r7" {
		t.Errorf("an archive: %v %v", b, err)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	one := &bundle.Bundle{Name: "one", Roots: []string{"a"}, Data: map[string]any{"a": map[string]any{"x": 1}}}
	two := &bundle.Bundle{Name: "two", Roots: []string{"a/b"}, Data: map[string]any{"a": map[string]any{"b": 2}}}
	three := &bundle.Bundle{Name: "three", Roots: []string{"c"}, Data: map[string]any{"c": 3}}
	loose := &bundle.Bundle{Data: map[string]any{"a": map[string]any{"y": 4}}}
	if _, err := bundle.Merge([]*bundle.Bundle{one, two}); err == nil || !strings.Contains(err.Error(), "both own") {
		t.Errorf("two that own the same: %v", err)
	}
	merged, err := bundle.Merge([]*bundle.Bundle{loose, one, three})
	if err != nil || fmt.Sprint(merged.Data) != "map[a:map[x:1 y:4] c:3]" {
		t.Errorf("merged %v: %v", merged, err)
	}
	if fmt.Sprint(one.Data, loose.Data) != "map[a:map[x:1]] map[a:map[y:4]]" {
		t.Errorf("merging changed what was merged: %v %v", one.Data, loose.Data)
	}
	if _, err := bundle.Merge([]*bundle.Bundle{loose, {Data: map[string]any{"a": 5}}}); err == nil {
		t.Error("the same data twice is no error")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(archive(f, good()))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(_ *testing.T, packed []byte) {
		_, _ = bundle.Read(packed, bundle.Options{Name: "bank", Limit: 1 << 16})
	})
}
