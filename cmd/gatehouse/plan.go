package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// proposalOptions are the flags by which a directory becomes a proposal.
type proposalOptions struct {
	source   string
	prune    bool
	takeOver bool
}

// add adds the flags to a verb.
func (o *proposalOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "`NAME` of whose objects these are (default: what "+settingsFile+" says, or the directory's name)")
	f.BoolVar(&o.prune, "prune", false, "delete the objects of the source that no file has any more")
	f.BoolVar(&o.takeOver, "take-over", false, "take objects that belong to another source")
}

// propose reads a directory.
func (o *proposalOptions) propose(dir string) (*projectDir, admin.Proposal, error) {
	p, err := readProject(dir, o.source)
	if err != nil {
		return nil, admin.Proposal{}, err
	}
	return p, admin.Proposal{Source: p.source, Files: p.files, Prune: o.prune, TakeOver: o.takeOver}, nil
}

// planOptions are what `gatehouse plan` is told.
type planOptions struct {
	changeOptions
	proposal proposalOptions
	file     string
	upgrade  bool
	only     bool
}

// newPlan returns `gatehouse plan`.
func newPlan(env surroundings) *cobra.Command {
	o := planOptions{changeOptions: changeOptions{env: env}}
	c := &cobra.Command{
		Use:   "plan DIR",
		Short: "Tell what a directory of documents would change",
		Long: `Sends a directory of documents to the daemon, and prints what applying it would change to
what is live: each object that is deleted, changed or added, by its fields with file and
line; the resources and bytes that the Envoys of each fleet get; calls to Gatehouse that
routes gain or lose; the tests of policies; warnings. Nothing is changed.

Objects belong to a source, by default what .gatehouse.yaml in the directory says, or the
directory's name. Those of other sources are not touched. What the directory does not have
any more stays, unless --prune is said.

-o FILE keeps the plan: "gatehouse apply FILE" then applies exactly that, or nothing.
Exit codes: 0 there is nothing to change, 2 there is, 1 it could not be applied, or a test
of the directory's policies fails.`,
		Example: `  gatehouse plan documents
  gatehouse plan documents --prune -o change.plan && echo nothing to do
  gatehouse plan documents --format json
  gatehouse plan --upgrade`,
		Args: o.arguments,
	}
	format := newChoice("table", "table", "json", "yaml")
	format.add(c, "format", "", "form of what is printed")
	o.format = &format
	o.daemon.add(c)
	o.proposal.add(c)
	f := c.Flags()
	f.StringVarP(&o.file, "output", "o", "", "keep the plan in this `FILE`, for \"gatehouse apply FILE\"")
	f.BoolVar(&o.only, "objects", false, "name the objects only, without their fields")
	f.BoolVar(&o.upgrade, "upgrade", false, "tell what the daemon's version of Gatehouse alone changes for Envoys")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), firstOf(args)) }
	return c
}

// arguments is the check of what is not a flag.
func (o *planOptions) arguments(c *cobra.Command, args []string) error {
	switch {
	case slices.Contains([]string{"json", "yaml", "table"}, o.file):
		return fmt.Errorf("-o names the file that keeps the plan: write --format %s, or -o ./%s for a file of that name", o.file, o.file)
	case o.upgrade && len(args) > 0:
		return errors.New("--upgrade is about what is live: it takes no directory")
	case o.upgrade:
		return nil
	}
	return oneDirectory(c, args)
}

func (o *planOptions) run(ctx context.Context, dir string) error {
	var p *projectDir
	proposal := admin.Proposal{Upgrade: o.upgrade}
	if !o.upgrade {
		var err error
		if p, proposal, err = o.proposal.propose(dir); err != nil {
			return err
		}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	plan, err := client.Plan(ctx, proposal)
	if err != nil {
		return away(err)
	}
	if err := o.checkPlan(&plan, p, cmp.Or(dir, "what is live")); err != nil {
		return err
	}
	if o.format.value == "table" {
		printer := planPrinter{w: o.env.stdout, paint: o.env.paintFor(o.env.stdout), project: p, names: o.only}
		printer.plan(&plan)
	} else if err := o.format.write(o.env.stdout, plan, nil); err != nil {
		return err
	}
	if o.file != "" {
		proposal.Base, proposal.Result = plan.Base, plan.Result
		kept := planFile{Version: planFileVersion, Dir: dir, Proposal: proposal, Plan: plan}
		if err := kept.write(o.file); err != nil {
			return err
		}
	}
	if err := testsPassed(&plan, false); err != nil {
		return err
	}
	if o.sum(&plan); differs(&plan) {
		return changesError{}
	}
	return nil
}
