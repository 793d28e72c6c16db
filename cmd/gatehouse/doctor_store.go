package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

// storeItself looks at the store: whether it is there, of which schema, who may read it, and on demand whether it is damaged.
func (o *doctorOptions) storeItself(ctx context.Context) {
	const check = "store"
	o.store.state = o.daemon.state
	options, err := o.store.options(o.env.lookup)
	if err != nil {
		o.note(check, broken, err.Error(), "correct --store, --data or --sealing-key")
		return
	}
	seen, err := store.Look(ctx, options)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.note(check, worth, "there is none in "+options.Dir, "\"gatehouse serve\" makes it; --data or --store says where it is")
		return
	case err != nil:
		o.note(check, broken, err.Error(), "docs/store.md says what each of these errors needs")
		return
	case seen.Schema == 0:
		o.note(check, worth, seen.Path+" is empty", "\"gatehouse serve\" makes its tables")
		return
	case seen.Schema < seen.Known:
		o.note(check, worth, fmt.Sprintf("%s has schema %d, this version makes it %d", seen.Path, seen.Schema, seen.Known),
			"back it up with the version that runs (\"gatehouse store backup\"), then start this one")
	default:
		o.fine(check, "%s, schema %d", seen.Path, seen.Schema)
	}
	if seen.Mode&0o077 != 0 {
		o.note(check, broken, fmt.Sprintf("others may read it (mode %04o), and private keys are in it", seen.Mode.Perm()), "chmod 0600 "+seen.Path+"*")
	}
	o.sealing(seen, len(options.Sealing) > 0)
	if o.damage && seen.Schema == seen.Known { // To open an older one would bring it up to date.
		o.damaged(ctx)
	}
}

// sealing looks whether secrets are encrypted.
func (o *doctorOptions) sealing(seen store.Sight, key bool) {
	const check = "sealing key"
	switch {
	case seen.Sealed > 0 && !key:
		o.note(check, worth, fmt.Sprintf("%s encrypted, and no key is given here", count(seen.Sealed, "secret")), "name it by --sealing-key, as for \"gatehouse serve\"; without it the daemon cannot read them")
	case seen.Plain > 0 && key:
		o.note(check, worth, fmt.Sprintf("%s from before there was a key", count(seen.Plain, "secret")), "\"gatehouse store rotate-key\" encrypts them")
	case seen.Plain > 0:
		o.note(check, worth, fmt.Sprintf("none: %s readable for whoever reads the store or a backup", count(seen.Plain, "secret")), "give \"gatehouse serve\" one by --sealing-key, then \"gatehouse store rotate-key\"")
	case key:
		o.fine(check, "%s encrypted", count(seen.Sealed, "secret"))
	}
}

// damaged reads all of the store.
func (o *doctorOptions) damaged(ctx context.Context) {
	const check = "damage"
	err := o.store.with(ctx, o.env, func(s *store.Store) error { return s.Check(ctx) })
	if err != nil {
		o.note(check, broken, err.Error(), "put the last backup in its place: \"gatehouse store restore\"")
		return
	}
	o.fine(check, "none: every file of the history is whole")
}

// replicaSilent is how long a replica may say nothing before that is worth a word.
const replicaSilent = 5 * time.Second

// replicas looks who shares the store, and whether one of them leads.
func (o *doctorOptions) replicas(ctx context.Context, client *admin.Client) {
	const check = "replicas"
	all, err := client.Replicas(ctx)
	if err != nil {
		o.note(check, broken, err.Error(), "ask again")
		return
	}
	if len(all) == 0 {
		return // It shares its store with nobody.
	}
	leader, versions := "", map[string]bool{}
	for _, r := range all {
		versions[r.Version] = true
		if r.Leads {
			leader = r.ID
		}
		if silent := o.env.now().Sub(r.Seen); !r.Self && silent > replicaSilent {
			o.note(check, worth, fmt.Sprintf("%s gave no sign of life for %s", r.ID, silent.Round(time.Second)), "does it run, and does it reach the store?")
		}
	}
	switch {
	case leader == "":
		o.note(check, broken, "none of "+count(len(all), "replica")+" leads", "one does within ten seconds: if not, look into their logs")
	case len(versions) > 1:
		o.note(check, worth, fmt.Sprintf("%s of several versions, %s leads", count(len(all), "replica"), leader), "finish the upgrade")
	default:
		o.fine(check, "%d, %s leads", len(all), leader)
	}
}
