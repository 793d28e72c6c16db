package main

import (
	"context"
	"errors"
	"net"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/posture"
	"github.com/gatehouse/gatehouse/server"
)

// newPosture returns `gatehouse posture`.
func newPosture(env surroundings) *cobra.Command {
	o := findingsOptions{env: env, rules: posture.Security}
	var live daemon
	c := &cobra.Command{
		Use:   "posture [DIR]",
		Short: "Say what is unsafe in a directory of documents, or in what is live",
		Long: `Looks over a directory of documents that is without fault, or without one what the running
daemon serves, by the rules of security: operations that anybody may call, hosts without
TLS, policies that fail open, certificates that expire, teams that nothing keeps apart.

  FILE:LINE:COLUMN: RULE: SEVERITY: what is so. What to do.

docs/posture.md lists the rules. What is accepted stands in .gatehouse/waivers.yaml, with a
reason and until when. Exit codes: 0 nothing at or above --fail-on, 2 something, 1 faults.`,
		Example: `  gatehouse posture examples/quickstart
  gatehouse posture --server unix:/run/gatehouse/admin.sock
  gatehouse posture -o junit --fail-on warning . > posture.xml`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneDirectory(c, args)
		},
	}
	o.add(c, posture.High)
	live.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			if len(o.beside.dirs) > 0 {
				return usageError{errors.New("--with: name the directory first that these are beside of")}
			}
			return o.live(c.Context(), live)
		}
		reviewed, err := o.review(args[0])
		if err != nil {
			return err
		}
		return o.show(o.beside.name(args[0]), seenFrom(args[0], reviewed.Posture))
	}
	return c
}

// live looks over what the daemon serves. Waivers stand beside documents, and so do not count here.
func (o *findingsOptions) live(ctx context.Context, from daemon) error {
	client, err := from.dial(o.env)
	if err != nil {
		return err
	}
	sources, err := client.Documents(ctx, 0, false)
	if err != nil {
		return away(err)
	}
	manages := ""
	if host, _, err := net.SplitHostPort(from.address); err == nil {
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			manages = from.address
		}
	}
	findings, faults := server.ReviewSources(sources, manages, o.env.now())
	if len(faults) > 0 {
		return o.faulty("what is live", faults)
	}
	return o.show("what is live", findings)
}
