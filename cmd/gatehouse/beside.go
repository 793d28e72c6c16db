package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
)

// beside are the directories whose documents a verb takes as given.
type beside struct {
	dirs []string
}

// add adds the flag to a verb.
func (b *beside) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&b.dirs, "with", nil, "another `DIR` whose documents lie beside these, such as the platform's; may be repeated")
}

// work returns a directory with those beside it.
func (b *beside) work(dir string) (server.Work, error) {
	w := server.Work{Dir: dir}
	if err := directory(dir); err != nil {
		return w, err
	}
	for _, other := range b.dirs {
		name := filepath.ToSlash(filepath.Clean(other))
		known := func(s config.Source) bool { return s.Name == name }
		if name == filepath.ToSlash(filepath.Clean(dir)) || slices.ContainsFunc(w.Beside, known) {
			return w, usageError{fmt.Errorf("--with %s: this directory is there already", other)}
		}
		p, err := readProject(other, "beside")
		if err != nil {
			return w, fmt.Errorf("--with: %w", err)
		}
		w.Beside = append(w.Beside, config.Source{Name: name, Files: p.files})
	}
	return w, nil
}

// own divides faults into those of a directory, with their paths as seen from here, and those of what lies beside it.
func (b *beside) own(dir string, faults gateway.Faults) (own, others gateway.Faults) {
	for _, f := range faults {
		if f.Place.Source != "" {
			others = append(others, f)
			continue
		}
		own = append(own, f)
	}
	return inDirectory(dir, own), others
}

// tell says in one line what is wrong beside a directory, which is not its matter.
func (b *beside) tell(w io.Writer, others gateway.Faults) {
	if len(others) == 0 {
		return
	}
	var where []string
	for _, f := range others {
		where = append(where, f.Place.Source)
	}
	slices.Sort(where)
	fmt.Fprintf(w, "%s: %s, not counted here\n", strings.Join(slices.Compact(where), ", "), count(len(others), "fault"))
}

// name says what was looked at: the directory, and those beside it.
func (b *beside) name(dir string) string {
	if len(b.dirs) == 0 {
		return dir
	}
	return dir + " with " + strings.Join(b.dirs, ", ")
}
