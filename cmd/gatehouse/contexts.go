package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// errNoHome tells that the user has no place for files of their own.
var errNoHome = errors.New("neither XDG_CONFIG_HOME nor HOME says where contexts are kept")

// place is a daemon that a person works with, as the contexts' file keeps it.
type place struct {
	Name   string `yaml:"name" json:"name"`
	Server string `yaml:"server" json:"server"`                   // Address of the management API.
	Token  string `yaml:"token,omitempty" json:"token,omitempty"` // Where the token is, file:PATH or env:NAME; never the token.
}

// contexts are the places that a person knows, and the one that verbs ask. They are kept in a file of the user's own.
type contexts struct {
	dir     string  // Of the file and of the tokens.
	Current string  `yaml:"current,omitempty"`
	Places  []place `yaml:"contexts"`
}

// configDirectory returns where Gatehouse keeps what belongs to a user, as the operating system has it.
func configDirectory(lookup func(string) (string, bool)) (string, error) {
	home, _ := lookup("HOME")
	base, _ := lookup("XDG_CONFIG_HOME")
	switch {
	case filepath.IsAbs(base): // A relative one is to be ignored, says the XDG Base Directory Specification.
	case home == "":
		return "", errNoHome
	case runtime.GOOS == "darwin":
		base = filepath.Join(home, "Library", "Application Support")
	default:
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "gatehouse"), nil
}

// readContexts returns what the user's file says; without one, nothing.
func readContexts(lookup func(string) (string, bool)) (*contexts, error) {
	dir, err := configDirectory(lookup)
	if err != nil {
		return nil, err
	}
	c := &contexts{dir: dir}
	text, err := os.ReadFile(c.file())
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	if err := yaml.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read the contexts in %s: %w", c.file(), err)
	}
	return c, nil
}

func (c *contexts) file() string { return filepath.Join(c.dir, "contexts.yaml") }

// tokenFile returns where the token of a context is kept.
func (c *contexts) tokenFile(name string) string { return filepath.Join(c.dir, "tokens", name) }

// find returns a context by its name.
func (c *contexts) find(name string) (*place, error) {
	for i := range c.Places {
		if c.Places[i].Name == name {
			return &c.Places[i], nil
		}
	}
	return nil, fmt.Errorf("there is no context %q: \"gatehouse context list\" tells which there are", name)
}

// put adds a context, or replaces the one of its name.
func (c *contexts) put(p place) {
	if old, err := c.find(p.Name); err == nil {
		*old = p
		return
	}
	c.Places = append(c.Places, p)
	slices.SortFunc(c.Places, func(a, b place) int { return strings.Compare(a.Name, b.Name) })
}

// write keeps the contexts, readable by the user alone.
func (c *contexts) write() error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	if err := writePrivate(c.file(), text); err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	return nil
}

// writePrivate puts a file of mode 0600 in the place of the one there is, whole or not at all, in a folder of mode 0700.
func writePrivate(file string, text []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// One that was there before may be open to others.
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs its x
		return err
	}
	return replaceFile(file, text, 0o600)
}

// replaceFile puts a file in the place of the one there is, whole or not at all.
func replaceFile(file string, text []byte, mode fs.FileMode) error {
	next, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Chmod(mode), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// contextName checks a name, which is also the name of a file.
func contextName(name string) error {
	const most, usable = 100, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if name == "" || len(name) > most || strings.Trim(name, usable) != "" || name[0] == '.' {
		return usageError{fmt.Errorf("%q is no name of a context: write letters, digits, hyphens, underscores and dots", name)}
	}
	return nil
}
