package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// watchedBy reports whether a directory is the one that the daemon watches: what is written there needs no applying. It is
// taken for that one if a file of documents is the same in both.
func (p *projectDir) watchedBy(ctx context.Context, client *admin.Client) (bool, error) {
	sources, err := client.Documents(ctx, 0, false)
	if errors.Is(err, admin.ErrNotFound) {
		return false, nil // Nothing is live yet.
	}
	if err != nil {
		return false, away(err)
	}
	for _, s := range sources {
		if s.Source != "" {
			continue
		}
		for file, text := range s.Files {
			if here, has := p.files[file]; has && isDocument(file) && bytes.Equal(here, text) {
				return true, nil
			}
		}
	}
	return false, nil
}

// writeWatched writes edits into the directory that the daemon watches, and leaves it to the daemon to take them in.
func (o *editOptions) writeWatched(ctx context.Context, client *admin.Client, p *projectDir, saved map[string][]byte) error {
	plan, err := p.foresee(saved)
	if err != nil {
		return err
	}
	if err := o.checkPlan(plan, p, "refused"); err != nil {
		return err
	}
	if err := o.printPlan(plan, p); err != nil {
		return err
	}
	o.sum(plan)
	switch {
	case !differs(plan):
		return nil
	case o.dryRun:
		return changesError{}
	}
	before, err := newest(ctx, client)
	if err != nil {
		return err
	}
	if _, err := p.save(saved); err != nil {
		return err
	}
	fmt.Fprintf(o.env.stderr, "written into %s, which the daemon watches\n", o.save)
	if !o.wait {
		return nil
	}
	return o.takenIn(ctx, client, before)
}

// foresee tells what changed files change, without a daemon.
func (p *projectDir) foresee(files map[string][]byte) (*admin.Plan, error) {
	before, faults := config.LoadFiles(p.files, p.dir, config.Options{})
	if len(faults) > 0 {
		return nil, fmt.Errorf("the directory has faults before the change:\n%w", inDirectory(p.dir, faults))
	}
	after, faults := config.LoadFiles(files, p.dir, config.Options{})
	if len(faults) == 0 {
		_, faults = gateway.Assemble(after, nil)
	}
	plan := &admin.Plan{Changes: config.Diff(before, after), Faults: faults}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		c.Place.Source = p.source
		for j := range c.Fields {
			c.Fields[j].Place.Source = p.source
		}
	}
	for i := range plan.Faults {
		plan.Faults[i].Place.Source = p.source
	}
	if plan.Changes == nil {
		plan.Changes = []gateway.Change{}
	}
	return plan, nil
}

// newest returns the number of the newest entry of the history.
func newest(ctx context.Context, client *admin.Client) (int64, error) {
	entries, err := client.History(ctx, 0, 1)
	if err != nil || len(entries) == 0 {
		return 0, away(err)
	}
	return entries[0].Number, nil
}

// takenIn waits until the daemon has made an entry of what was written, and then for that.
func (o *editOptions) takenIn(ctx context.Context, client *admin.Client, before int64) error {
	within, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	for {
		number, err := newest(within, client)
		if err == nil && number > before {
			waiting := waiter{env: o.env, client: client, entry: number, timeout: o.timeout}
			return waiting.run(ctx)
		}
		select {
		case <-within.Done():
			return fmt.Errorf("the daemon has not taken in %s after %s: its log says why", o.save, o.timeout)
		case <-time.After(watchEvery):
		}
	}
}
