// Package bundle reads sets of policies and data: OPA's bundles, and plain directories of Rego.
//
// In: a directory, an archive (tar.gz), or a server that has one; and how large it may be and who must have signed it. Out: a
// Bundle, parsed, never half of one. Whoever follows a source keeps what he has until the next one is whole, and finds
// it again after a restart where it is persisted.
package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	opabundle "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"
)

// DefaultLimit bounds what a bundle may hold, unpacked, in bytes, where nothing else is said.
const DefaultLimit = 256 << 20

// ErrSize tells that a bundle is larger than it may be.
var ErrSize = errors.New("larger than it may be")

// Bundle is a set of modules and data. It is not changed after it was read.
type Bundle struct {
	Name     string                 // Empty: of loose files.
	Modules  map[string]*ast.Module // By the path of the file.
	Data     map[string]any
	Revision string   // What the manifest says; empty: nothing.
	Roots    []string // Which parts of data the bundle owns, "a/b"; a single empty one: all.
	ETag     string   // By which a server told this one apart from others.
}

// Options say how a bundle is read.
type Options struct {
	Name   string
	Limit  int64         // In bytes, unpacked; 0: DefaultLimit.
	Verify *Verification // nil: a signature is not asked for; a signed bundle is then refused, as OPA does.
	V0     bool          // Rego as it was before version 1, where the manifest does not say.
}

func (o Options) limit() int64 {
	if o.Limit > 0 {
		return o.Limit
	}
	return DefaultLimit
}

// Verification is by which keys a bundle's signature is checked (OPA's documentation, "Signing").
type Verification struct {
	Keys    map[string]Key // By key id.
	KeyID   string         // Overrides what the signature says of its key.
	Scope   string         // That the signature must be made for; empty: any.
	Exclude []string       // Patterns of files that need not be signed.
}

// Key is a public key in PEM, or a secret for HS256 and its like.
type Key struct {
	Text      string
	Algorithm string // "RS256", "ES256", "HS256" ...; empty: RS256.
}

func (v *Verification) config() *opabundle.VerificationConfig {
	if v == nil {
		return nil
	}
	public := make(map[string]*keys.Config, len(v.Keys))
	for id, k := range v.Keys {
		algorithm := k.Algorithm
		if algorithm == "" {
			algorithm = "RS256"
		}
		public[id] = &keys.Config{Key: k.Text, Algorithm: algorithm}
	}
	return opabundle.NewVerificationConfig(public, v.KeyID, v.Scope, v.Exclude)
}

// Read reads an archive, as `opa build` writes it. The error never quotes a key.
func Read(archive []byte, o Options) (*Bundle, error) {
	if err := inspect(archive, o.limit()); err != nil {
		return nil, err
	}
	return o.read(opabundle.NewTarballLoaderWithBaseURL(bytes.NewReader(archive), ""))
}

func (o Options) read(loader opabundle.DirectoryLoader) (found *Bundle, err error) {
	defer func() {
		if cause := recover(); cause != nil { // The reader is a library's, and what it reads came over the network.
			found, err = nil, fmt.Errorf("the bundle cannot be read: %v", cause)
		}
	}()
	reader := opabundle.NewCustomReader(loader).
		WithBundleName(o.Name).
		WithSizeLimitBytes(o.limit()).
		WithProcessAnnotations(true).
		WithRegoVersion(o.version()).
		WithBundleVerificationConfig(o.Verify.config())
	read, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("read the bundle: %w", err)
	}
	if read.Type() != opabundle.SnapshotBundleType {
		return nil, errors.New("the bundle holds changes of another one, not a whole one")
	}
	b := &Bundle{Name: o.Name, Modules: make(map[string]*ast.Module, len(read.Modules)), Data: read.Data, Revision: read.Manifest.Revision}
	for _, m := range read.Modules {
		b.Modules[path.Clean(m.Path)] = m.Parsed
	}
	if read.Manifest.Roots != nil {
		b.Roots = slices.Clone(*read.Manifest.Roots)
	}
	return b, nil
}

func (o Options) version() ast.RegoVersion {
	if o.V0 {
		return ast.RegoV0
	}
	return ast.RegoV1
}

// Merge puts bundles together as OPA does: each owns its roots, and no two may own the same. One without a name is loose files,
// and owns nothing.
func Merge(bundles []*Bundle) (*Bundle, error) {
	merged := &Bundle{Modules: map[string]*ast.Module{}, Data: map[string]any{}}
	for i, b := range bundles {
		for _, other := range bundles[:i] {
			if b.Name == "" || other.Name == "" { // Loose files own nothing.
				continue
			}
			if a, c, clash := overlap(b.roots(), other.roots()); clash {
				return nil, fmt.Errorf("the bundles %s and %s both own data.%s and data.%s: give each its own roots in its manifest", other.Name, b.Name, c, a)
			}
		}
		for name, module := range b.Modules {
			merged.Modules[path.Join(b.Name, name)] = module
		}
		if err := into(merged.Data, b.Data); err != nil {
			return nil, fmt.Errorf("bundle %s: %w", b.Name, err)
		}
	}
	return merged, nil
}

func (b *Bundle) roots() []string {
	if len(b.Roots) == 0 {
		return []string{""}
	}
	return b.Roots
}

func overlap(a, b []string) (one, other string, clash bool) {
	for _, x := range a {
		for _, y := range b {
			if opabundle.RootPathsOverlap(x, y) {
				return x, y, true
			}
		}
	}
	return "", "", false
}

// into copies objects into one another; what is no object on both sides must not be in both.
func into(to, from map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		value := from[name]
		before, known := to[name]
		if !known {
			to[name] = copied(value)
			continue
		}
		inner, ok := before.(map[string]any)
		more, also := value.(map[string]any)
		if !ok || !also {
			return fmt.Errorf("data.%s is there twice", name)
		}
		if err := into(inner, more); err != nil {
			return err
		}
	}
	return nil
}

// copied returns a value whose objects may be added to. What is in lists stays shared: nothing is added there.
func copied(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	fresh := make(map[string]any, len(object))
	for name, inner := range object {
		fresh[name] = copied(inner)
	}
	return fresh
}
