package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// settingsFile is the file of a directory that says whose its objects are. The loader skips what is hidden.
const settingsFile = ".gatehouse.yaml"

// projectDir is a directory of documents as it is sent to a daemon.
type projectDir struct {
	dir    string
	source string            // Whose objects these are.
	files  map[string][]byte // What makes up the configuration, by path.
}

// projectSettings is what a project's file may say.
type projectSettings struct {
	Source string `yaml:"source"`
}

// maxProject bounds what a directory may send, in bytes; a daemon takes no more.
const maxProject = 48 << 20

// readProject reads a directory. Only what documents consist of is taken: themselves, contracts, Rego, and the key sets
// and lists of endpoints that they name; never a certificate, a private key or a secret, which the daemon reads where it
// runs. Faults are the daemon's to find.
func readProject(dir, source string) (*projectDir, error) {
	if err := directory(dir); err != nil {
		return nil, err
	}
	docs, faults := config.Load(dir, config.Options{})
	p := &projectDir{dir: dir, source: source, files: docs.Files}
	if len(p.files) == 0 {
		if len(faults) > 0 {
			return nil, inDirectory(dir, faults)
		}
		return nil, fmt.Errorf("%s holds no documents", dir)
	}
	if err := p.watched(docs); err != nil {
		return nil, err
	}
	total := 0
	for _, text := range p.files {
		total += len(text)
	}
	if total > maxProject {
		return nil, fmt.Errorf("%s holds %d MiB of documents and what they include, and a daemon takes %d at once: divide it", dir, total>>20, maxProject>>20)
	}
	if p.source == "" {
		var err error
		if p.source, err = sourceOf(dir); err != nil {
			return nil, err
		}
	}
	if err := config.CheckSourceName(p.source); err != nil {
		return nil, fmt.Errorf("%w: say another by --source, or as source: in %s", err, filepath.Join(dir, settingsFile))
	}
	return p, nil
}

// watched takes in the files that documents name and that a daemon watches where the documents lie beside it.
func (p *projectDir) watched(docs *gateway.Documents) error {
	var named []string
	for _, i := range docs.Issuers {
		named = append(named, i.KeyFile)
	}
	for _, u := range docs.Upstreams {
		if u.Discovery == nil {
			continue
		}
		named = append(named, u.Discovery.File)
	}
	for _, file := range named {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(file)))
		if err != nil {
			return fmt.Errorf("read what a document names: %w", err)
		}
		p.files[file] = text
	}
	return p.tests()
}

// tests takes in the tests of policies, which no document names: Rego beside the Rego of a policy.
func (p *projectDir) tests() error {
	beside := map[string]bool{}
	for file := range p.files {
		if path.Ext(file) == ".rego" {
			beside[path.Dir(file)] = true
		}
	}
	for folder := range beside {
		found, err := filepath.Glob(filepath.Join(p.dir, filepath.FromSlash(folder), "*_test.rego"))
		if err != nil {
			return fmt.Errorf("find the tests of policies: %w", err)
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read the tests of policies: %w", err)
			}
			p.files[path.Join(folder, filepath.Base(file))] = text
		}
	}
	return nil
}

// sourceOf returns the name of a directory's source: what its project file says, or how the directory is called.
func sourceOf(dir string) (string, error) {
	file := filepath.Join(dir, settingsFile)
	text, err := os.ReadFile(file)
	var settings projectSettings
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("read the project's file: %w", err)
	default:
		if err := yaml.Unmarshal(text, &settings); err != nil {
			return "", fmt.Errorf("read %s: %w", file, err)
		}
	}
	if settings.Source != "" {
		return settings.Source, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the directory's name: %w", err)
	}
	name := filepath.Base(absolute)
	if strings.ContainsRune(name, filepath.Separator) {
		return "", fmt.Errorf("%s has no name: say whose its objects are, by --source", dir)
	}
	return name, nil
}

// seen returns a place as a person finds it: a file of this directory by its path from here.
func (p *projectDir) seen(at gateway.Place) gateway.Place {
	if p == nil || at.File == "" || at.Source != p.source {
		return at
	}
	at.Source, at.File = "", filepath.Join(p.dir, filepath.FromSlash(at.File))
	return at
}
