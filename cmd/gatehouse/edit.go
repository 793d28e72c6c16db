package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
)

// cliSource is whose objects are that verbs of one line make, where no directory is named.
const cliSource = "cli"

// editOptions are what every verb is told that changes one object.
type editOptions struct {
	changeOptions
	dryRun   bool
	takeOver bool
	save     string
	source   string
}

// add adds the flags to a verb.
func (o *editOptions) add(c *cobra.Command) {
	o.changeOptions.add(c)
	addDryRun(c, &o.dryRun)
	f := c.Flags()
	f.BoolVar(&o.takeOver, "take-over", false, "take the object if it belongs to another source")
	f.StringVar(&o.source, "source", "", "`NAME` of whose object it is (default: "+cliSource+", or with --save the directory's)")
	f.StringVar(&o.save, "save", "", "write the change into the documents in `DIR` too, whose source the object belongs to")
}

// run plans edits, prints what they change, and applies exactly that.
func (o *editOptions) run(ctx context.Context, client *admin.Client, edits ...admin.Edit) error {
	proposal := admin.Proposal{Source: cmp.Or(o.source, cliSource), Edits: edits, TakeOver: o.takeOver, Message: o.message}
	if o.save == "" {
		return o.propose(ctx, client, proposal, nil, nil)
	}
	p, err := readProject(o.save, o.source)
	if err != nil {
		return err
	}
	saved, err := o.edited(p, edits)
	if err != nil {
		return err
	}
	proposal.Source = p.source
	watched, err := p.watchedBy(ctx, client)
	switch {
	case err != nil:
		return err
	case watched:
		return o.writeWatched(ctx, client, p, saved)
	}
	return o.propose(ctx, client, proposal, p, saved)
}

// propose plans a change, prints it, writes it into a directory where one is given, and applies it.
func (o *editOptions) propose(ctx context.Context, client *admin.Client, proposal admin.Proposal, p *projectDir, saved map[string][]byte) error {
	plan, err := client.Plan(ctx, proposal)
	if err != nil {
		return away(err)
	}
	if err := o.checkPlan(&plan, p, "refused"); err != nil {
		return err
	}
	if o.format.value == "table" || o.dryRun {
		if err := o.printPlan(&plan, p); err != nil {
			return err
		}
	}
	o.sum(&plan)
	switch {
	case o.dryRun && differs(&plan):
		return changesError{}
	case o.dryRun:
		return nil
	}
	if p != nil {
		written, err := p.save(saved)
		if err != nil {
			return err
		}
		for _, file := range written {
			fmt.Fprintf(o.env.stderr, "written: %s\n", filepath.Join(o.save, file))
		}
	}
	proposal.Base, proposal.Result = plan.Base, plan.Result
	err = o.apply(ctx, client, proposal, p)
	if errors.Is(err, admin.ErrConflict) && p != nil {
		return fmt.Errorf("%w\n  The change stands in %s: \"gatehouse apply\" applies it", err, o.save)
	}
	return err
}

// edited returns the files of a directory with the edits in them.
func (o *editOptions) edited(p *projectDir, edits []admin.Edit) (map[string][]byte, error) {
	list := make([]config.Edit, len(edits))
	for i, e := range edits {
		list[i] = config.Edit{Object: e.Object, Document: e.Document, New: e.New, Remove: e.Remove}
		for _, s := range e.Set {
			list[i].Set = append(list[i].Set, config.SetField(s))
		}
	}
	files, faults := config.Edited(p.files, list)
	if len(faults) > 0 {
		return nil, inDirectory(p.dir, faults)
	}
	return files, nil
}

// save writes the files that differ from those that were read, and removes those that are no more. A file keeps its
// mode. What is written is returned.
func (p *projectDir) save(files map[string][]byte) (written []string, err error) {
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, fmt.Errorf("write into %s: %w", p.dir, err)
	}
	defer func() { _ = root.Close() }() // Every file is closed by then.
	for _, file := range slices.Sorted(maps.Keys(p.files)) {
		if _, stays := files[file]; !stays {
			if err := root.Remove(filepath.FromSlash(file)); err != nil {
				return written, fmt.Errorf("remove %s: %w", filepath.Join(p.dir, file), err)
			}
			written = append(written, file)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if before, there := p.files[file]; there && bytes.Equal(before, files[file]) {
			continue
		}
		if err := replaceBelow(root, p.dir, file, files[file]); err != nil {
			return written, fmt.Errorf("write %s: %w", filepath.Join(p.dir, file), err)
		}
		written = append(written, file)
	}
	return written, nil
}

// replaceBelow puts a file below a root in the place of the one there is, whole or not at all. A link is written through.
func replaceBelow(root *os.Root, dir, file string, text []byte) error {
	info, err := root.Lstat(filepath.FromSlash(file))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return writeBelow(root, file, text)
	case err != nil:
		return err
	case info.Mode()&os.ModeSymlink != 0:
		return root.WriteFile(filepath.FromSlash(file), text, 0o644)
	}
	return replaceFile(filepath.Join(dir, filepath.FromSlash(file)), text, info.Mode().Perm())
}

// setWords reads FIELD=VALUE, in which the value is YAML and nothing removes the field.
func setWords(words []string) ([]admin.SetField, error) {
	var out []admin.SetField
	for _, w := range words {
		field, value, ok := strings.Cut(w, "=")
		if !ok || field == "" {
			return nil, fmt.Errorf("%q is no change: write FIELD=VALUE, such as timeout=2s; FIELD= removes the field", w)
		}
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(value), &node); err != nil {
			return nil, fmt.Errorf("the value of %s is no YAML: %w", field, err)
		}
		out = append(out, admin.SetField{Field: field, Value: value})
	}
	return out, nil
}
