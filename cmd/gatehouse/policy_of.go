package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/server"
)

// replayer compiles the policies of a directory of documents or, where there is none of that name, of an entry of the history.
func (o *policyDiffOptions) replayer(ctx context.Context, of string) (*authz.Replayer, error) {
	number, wrong := parseRev(of)
	if _, err := os.Stat(of); wrong != nil || !errors.Is(err, fs.ErrNotExist) {
		return o.replayerOf(of, of)
	}
	dir, err := os.MkdirTemp("", "gatehouse-entry-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for an entry of the history: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // What stays is in the system's temporary directory, and holds no secret.
	if err := o.fetch(ctx, number, dir); err != nil {
		return nil, err
	}
	return o.replayerOf(dir, "entry "+of)
}

// replayerOf compiles the policies of a directory, whose files are told of by another name, with the bundles that lie on this host.
func (o *policyDiffOptions) replayerOf(dir, name string) (*authz.Replayer, error) {
	if err := directory(dir); err != nil {
		return nil, err
	}
	bench, faults := server.Work{Dir: dir}.Bench(o.env.lookup)
	if len(faults) > 0 {
		fmt.Fprintln(o.env.failures, inDirectory(name, faults).Error())
		fmt.Fprintf(o.env.failures, "%s: %s\n", name, count(len(faults), "fault"))
		return nil, silentError{}
	}
	return bench.Replayer(), nil
}

// fetch writes the documents of an entry, 0 for what is live, into a directory.
func (o *policyDiffOptions) fetch(ctx context.Context, number int64, dir string) error {
	client, err := o.records.daemon.dial(o.env)
	if err != nil {
		return err
	}
	sources, err := client.Documents(ctx, number, true)
	if err != nil {
		return away(err)
	}
	root, err := os.OpenRoot(dir) // A daemon does not say what is written elsewhere.
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	defer func() { _ = root.Close() }() // Every file is closed by then.
	for i, s := range sources {
		for file, text := range s.Files {
			if err := writeBelow(root, filepath.ToSlash(filepath.Join(strconv.Itoa(i), file)), text); err != nil {
				return fmt.Errorf("write %s: %w", filepath.Join(dir, file), err)
			}
		}
	}
	return nil
}
