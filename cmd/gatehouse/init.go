package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/config"
)

//go:embed all:project
var project embed.FS

// initOptions are what `gatehouse init` is told.
type initOptions struct {
	env  surroundings
	dir  string
	name string
	port int
}

// newInit returns `gatehouse init`.
func newInit(env surroundings) *cobra.Command {
	o := initOptions{env: env}
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a small project to begin with",
		Long: `Writes a project that validates: documents, a policy with its test, a script for CI, the
schema for editors, and a README that leads from "gatehouse up" to the first answer. DIR is
made where it is missing. A file that is there already is never overwritten.`,
		Example: `  gatehouse init shop
  gatehouse init --name payments documents`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneDirectory(c, args)
		},
	}
	c.Flags().StringVar(&o.name, "name", "", "`NAME` of the project, its API and its upstream (default: the directory's)")
	c.Flags().IntVar(&o.port, "port", 8080, "`PORT` on which its Envoy listens")
	c.RunE = func(_ *cobra.Command, args []string) error {
		o.dir = "."
		if len(args) == 1 {
			o.dir = args[0]
		}
		return o.run()
	}
	return c
}

func (o *initOptions) run() error {
	name, err := o.projectName()
	if err != nil {
		return err
	}
	const ports = 65535
	if o.port < 1 || o.port > ports {
		return usageError{fmt.Errorf("--port: there is no port %d", o.port)}
	}
	files, err := projectFiles(projectValues{Name: name, Policy: strings.ReplaceAll(name, "-", "_"), Port: o.port})
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(o.dir, f.path)); err == nil {
			return fmt.Errorf("%s is there already, and nothing was written: name a directory without it", filepath.Join(o.dir, f.path))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range files {
		if err := f.write(o.dir); err != nil {
			return err
		}
		fmt.Fprintln(o.env.stdout, filepath.Join(o.dir, f.path))
	}
	fmt.Fprintf(o.env.stderr, "project %s: next, read %s\n", name, filepath.Join(o.dir, "README.md"))
	return nil
}

// projectName returns the name that is given, or the directory's, if objects can be called so.
func (o *initOptions) projectName() (string, error) {
	name, from := o.name, "--name"
	if name == "" {
		absolute, err := filepath.Abs(o.dir)
		if err != nil {
			return "", fmt.Errorf("find the directory's name: %w", err)
		}
		name, from = strings.ToLower(filepath.Base(absolute)), "the directory's name"
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,49}$`).MatchString(name) {
		return "", usageError{fmt.Errorf("%s: no project can be called %q: --name takes lower-case letters, digits and dashes, a letter first, at most 50", from, name)}
	}
	return name, nil
}

// projectValues are what the files of a project are made with.
type projectValues struct {
	Name   string
	Policy string // The name as Rego can spell it.
	Port   int
}

// projectFile is one file of a project.
type projectFile struct {
	path string
	text []byte
}

// projectFiles returns the files of a project by their paths.
func projectFiles(values projectValues) ([]projectFile, error) {
	var files []projectFile
	err := fs.WalkDir(project, "project", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := project.ReadFile(path)
		if err != nil {
			return err
		}
		made, err := template.New(path).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := made.Execute(&out, values); err != nil {
			return err
		}
		relative := strings.TrimPrefix(path, "project/")
		if relative == "_gatehouse.yaml" {
			relative = ".gatehouse.yaml"
		}
		files = append(files, projectFile{path: filepath.FromSlash(relative), text: out.Bytes()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the project's files: %w", err)
	}
	schema, err := config.Schema()
	if err != nil {
		return nil, err
	}
	return append(files, projectFile{path: "gatehouse.schema.json", text: schema}), nil
}

// write writes the file below a directory, where there is none of its name.
func (f projectFile) write(dir string) error {
	path := filepath.Join(dir, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // Documents are no secret.
		return err
	}
	mode := fs.FileMode(0o644)
	if filepath.Ext(path) == ".sh" {
		mode = 0o755
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(f.text)
	return errors.Join(err, file.Close())
}
