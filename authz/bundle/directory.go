package bundle

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	opabundle "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/loader"
)

// ReadPath reads what is at a path: an archive, a directory with a manifest (a bundle unpacked), or any directory or file of
// Rego and data, as `opa run PATH` does: every .rego file is a module, every .json, .yaml and .yml file is data
// under the names of the folders it lies in. Names that begin with a dot are left out, so that a volume which Kubernetes keeps
// up to date is read once and not through its links as well.
func ReadPath(at string, o Options) (*Bundle, error) {
	info, err := os.Stat(at)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	if !info.IsDir() && isArchive(at) {
		archive, err := readFile(at, o.limit())
		if err != nil {
			return nil, err
		}
		return Read(archive, o)
	}
	if err := measure(at, o.limit()); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(at, ".manifest")); info.IsDir() && (err == nil || o.Verify != nil) {
		return o.read(opabundle.NewDirectoryLoader(at).WithFollowSymlinks(true).WithFilter(hidden))
	}
	return o.readFiles(at)
}

// ReadModules reads a directory of Rego from a file system, as ReadPath does.
func (o Options) readFiles(at string) (*Bundle, error) {
	loaded, err := loader.NewFileLoader().
		WithRegoVersion(o.version()).
		WithProcessAnnotation(true).
		WithFollowSymlinks(true).
		Filtered([]string{at}, hidden)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	b := &Bundle{Name: o.Name, Modules: make(map[string]*ast.Module, len(loaded.Modules)), Data: loaded.Documents}
	for name, file := range loaded.Modules {
		b.Modules[filepath.ToSlash(name)] = file.Parsed
	}
	return b, nil
}

// hidden leaves out names that begin with a dot, but what belongs to a bundle.
func hidden(at string, _ os.FileInfo, _ int) bool {
	name := filepath.Base(at)
	switch name {
	case ".", "..", ".manifest", ".signatures.json":
		return false
	}
	return strings.HasPrefix(name, ".")
}

func isArchive(at string) bool {
	return strings.HasSuffix(at, ".tar.gz") || strings.HasSuffix(at, ".tgz")
}

// readFile reads a file that is not larger than it may be.
func readFile(at string, limit int64) ([]byte, error) {
	info, err := os.Stat(at)
	if err != nil {
		return nil, fmt.Errorf("read the bundle: %w", err)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, of at most %d: %w", at, info.Size(), limit, ErrSize)
	}
	text, err := os.ReadFile(at)
	if err != nil {
		return nil, fmt.Errorf("read the bundle: %w", err)
	}
	return text, nil
}

// measure refuses a directory that holds more than it may, before anything of it is parsed.
func measure(at string, limit int64) error {
	left := limit
	err := filepath.WalkDir(at, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := os.Stat(name); err == nil && !entry.IsDir() {
			left -= info.Size()
		}
		if left < 0 {
			return fmt.Errorf("%s holds more than %d bytes: %w", at, limit, ErrSize)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the policies: %w", err)
	}
	return nil
}
