package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// dumpOptions are what `gatehouse dump` is told.
type dumpOptions struct {
	env       surroundings
	daemon    daemon
	rev       string
	source    string
	asWritten bool
}

// newDump returns `gatehouse dump`.
func newDump(env surroundings) *cobra.Command {
	o := dumpOptions{env: env}
	c := &cobra.Command{
		Use:   "dump [DIR]",
		Short: "Write the documents of the live configuration, or of an older one",
		Long: `Writes the documents of what is live, or of another entry of the history, to the standard
output, or with the files that they include into a directory. Each object is written in its
canonical form, in which shorthands are written out; with --as-written the files come as
they were handed in, comments included. Secrets are not in documents, only where they are.

Where there are several sources, each becomes a folder of its name with a project file, so
that the folder can be planned and applied; --source writes one of them.`,
		Example: `  gatehouse dump
  gatehouse dump documents --source shop --as-written
  gatehouse dump --rev 41`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one directory at a time, not %s", strings.Join(args, " and "))
			}
			return nil
		},
	}
	o.daemon.add(c)
	f := c.Flags()
	f.StringVar(&o.rev, "rev", "live", "the entry of the history, as `REV`: a number, or live")
	completeFlag(c, "rev", completeRevs(env, 0))
	f.StringVar(&o.source, "source", "", "only the objects of this source, by its `NAME`")
	f.BoolVar(&o.asWritten, "as-written", false, "the files as they were handed in")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), firstOf(args)) }
	return c
}

func (o *dumpOptions) run(ctx context.Context, dir string) error {
	number, err := parseRev(o.rev)
	if err != nil {
		return err
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	sources, err := client.Documents(ctx, number, !o.asWritten)
	if err != nil {
		return away(err)
	}
	if o.source != "" {
		sources = slices.DeleteFunc(sources, func(s admin.SourceFiles) bool { return s.Source != o.source })
		if len(sources) == 0 {
			return fmt.Errorf("there is no source %q in that entry", o.source)
		}
	}
	if dir == "" {
		return o.print(sources)
	}
	return o.save(dir, sources)
}

// print writes the documents one after another, each file and source under a comment.
func (o *dumpOptions) print(sources []admin.SourceFiles) error {
	first := true
	for _, s := range sources {
		for _, file := range slices.Sorted(maps.Keys(s.Files)) {
			if !isDocument(file) {
				continue
			}
			if !first {
				fmt.Fprintln(o.env.stdout, "---")
			}
			first = false
			if len(sources) > 1 {
				fmt.Fprintf(o.env.stdout, "# source %s, %s\n", cmp.Or(s.Source, "(watched directory)"), file)
			} else {
				fmt.Fprintf(o.env.stdout, "# %s\n", file)
			}
			text := strings.TrimPrefix(string(s.Files[file]), "---\n")
			if _, err := fmt.Fprint(o.env.stdout, text); err != nil {
				return err
			}
			if !strings.HasSuffix(text, "\n") {
				fmt.Fprintln(o.env.stdout)
			}
		}
	}
	if first {
		fmt.Fprintln(o.env.stderr, "there are no documents")
	}
	return nil
}

// isDocument reports whether a file holds documents, by its name.
func isDocument(file string) bool {
	return path.Ext(file) == ".yaml" || path.Ext(file) == ".yml"
}

// save writes the files into a directory, which must be empty or not there yet.
func (o *dumpOptions) save(dir string, sources []admin.SourceFiles) error {
	inside, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the directory: %w", err)
	}
	if len(inside) > 0 {
		return fmt.Errorf("%s is not empty: name a directory that is, or that does not exist yet", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	root, err := os.OpenRoot(dir) // A daemon does not say what is written elsewhere.
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	defer func() { _ = root.Close() }() // Every file is closed by then.
	written := 0
	for _, s := range sources {
		folder := "."
		if len(sources) > 1 {
			folder = cmp.Or(s.Source, "watched")
		}
		files := maps.Clone(s.Files)
		if s.Source != "" {
			files[settingsFile] = []byte("source: " + s.Source + "\n")
		}
		for _, file := range slices.Sorted(maps.Keys(files)) {
			if err := writeBelow(root, path.Join(folder, file), files[file]); err != nil {
				return fmt.Errorf("write %s: %w", filepath.Join(dir, folder, file), err)
			}
			written++
		}
	}
	fmt.Fprintf(o.env.stderr, "%s: wrote %s\n", dir, count(written, "file"))
	return nil
}

// writeBelow writes a file below a root, with the folders that it needs.
func writeBelow(root *os.Root, file string, text []byte) error {
	file = filepath.FromSlash(file)
	if err := root.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return root.WriteFile(file, text, 0o644)
}
