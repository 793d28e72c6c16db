package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// newLimit returns `gatehouse limit`.
func newLimit(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "limit",
		Short: "See what was spent from limits, reset it, grant more, try other limits",
		Long: `Limits bound what each caller may spend. They are named by whose requests they count and their
own name, such as payments/v1/per-customer; list tells them. What was spent for one value of a
limit's key is a bucket: its values follow the limit, in the order of the key.

Buckets in memory are those of the daemon that is asked; those in Redis are of all replicas.`,
		Example: `  gatehouse limit list
  gatehouse limit show payments/v1/per-customer alice
  gatehouse limit grant payments/v1/per-customer alice +100`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLimitList(env), newLimitShow(env), newLimitReset(env), newLimitGrant(env), newLimitTop(env), newLimitSimulate(env))
	return c
}

// limitOptions are what the verbs of `gatehouse limit` are told.
type limitOptions struct {
	env    surroundings
	daemon daemon
	format *choice
	bucket admin.BucketName
	amount int64
	most   int
}

// verb returns a verb that asks the daemon and prints its answer.
func (o *limitOptions) verb(c *cobra.Command, run func(context.Context, *admin.Client) error) *cobra.Command {
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := o.daemon.dial(o.env)
		if err != nil {
			return err
		}
		return away(run(c.Context(), client))
	}
	return c
}

// bucketArgs reads a limit and the values of its key.
func (o *limitOptions) bucketArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("write a limit, as list tells it, and a value for each part of its key")
	}
	o.bucket = admin.BucketName{Limit: args[0], Values: args[1:]}
	return nil
}

func newLimitList(env surroundings) *cobra.Command {
	o := limitOptions{env: env}
	return o.verb(&cobra.Command{
		Use:   "list",
		Short: "List the limits there are, with what was counted for them",
		Long: `Lists the limits of the configuration in use, and what the daemon that is asked has counted for
each since it started: requests spend, are refused, would be refused by one in mode shadow, and
are let through while the store of a limit cannot be asked.`,
		Example: "  gatehouse limit list",
		Args:    noWords,
	}, func(ctx context.Context, client *admin.Client) error {
		all, err := client.Limits(ctx)
		if err != nil {
			return err
		}
		o.ofOne(ctx, client)
		return o.format.write(env.stdout, all, func(w io.Writer) error {
			fmt.Fprintln(w, "LIMIT\tKEY\tADMITS\tMODE\tROUTES\tSPENT\tREFUSED\tWOULD REFUSE\tLET THROUGH")
			for _, l := range all {
				mode := l.Mode
				if l.Enforce == "distributed" {
					mode += ", distributed"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", l.ID, dash(strings.Join(l.Key, ",")), strings.Join(l.Windows, "; "), mode, l.Routes,
					l.Spent, l.Refused, l.WouldRefuse, l.LetThrough)
			}
			return nil
		})
	})
}

func newLimitShow(env surroundings) *cobra.Command {
	o := limitOptions{env: env}
	return o.verb(&cobra.Command{
		Use:     "show LIMIT [VALUE...]",
		Short:   "Show how a bucket of a limit stands",
		Long:    "Shows what remains of a limit for one value of its key, without spending any of it.",
		Example: "  gatehouse limit show payments/v1/per-customer alice",
		Args:    o.bucketArgs, ValidArgsFunction: completeLimits(env),
	}, func(ctx context.Context, client *admin.Client) error {
		b, err := client.Bucket(ctx, o.bucket)
		return o.print(b, err)
	})
}

func newLimitReset(env surroundings) *cobra.Command {
	o := limitOptions{env: env}
	return o.verb(&cobra.Command{
		Use:     "reset LIMIT [VALUE...]",
		Short:   "Forget what was spent from a bucket of a limit",
		Long:    "Forgets what was spent from a limit for one value of its key: all of it remains again.",
		Example: "  gatehouse limit reset payments/v1/per-customer alice",
		Args:    o.bucketArgs, ValidArgsFunction: completeLimits(env),
	}, func(ctx context.Context, client *admin.Client) error {
		b, err := client.ResetBucket(ctx, o.bucket)
		return o.print(b, err)
	})
}

func newLimitGrant(env surroundings) *cobra.Command {
	o := limitOptions{env: env}
	return o.verb(&cobra.Command{
		Use:   "grant LIMIT [VALUE...] +N",
		Short: "Let a bucket of a limit admit more",
		Long: `Lets a limit admit more for one value of its key, beyond what it says. The grant ends with the
interval, or with the period of a quota: it is no change of the limit.`,
		Example: "  gatehouse limit grant payments/v1/per-customer alice +100",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("write a limit, a value for each part of its key, and how much more it admits, as in +100")
			}
			last := args[len(args)-1]
			n, err := strconv.ParseInt(strings.TrimPrefix(last, "+"), 10, 64)
			if err != nil || n < 1 || !strings.HasPrefix(last, "+") {
				return fmt.Errorf("%q is no grant: write how much more is admitted, as in +100", last)
			}
			o.amount = n
			return o.bucketArgs(c, args[:len(args)-1])
		},
		ValidArgsFunction: completeLimits(env),
	}, func(ctx context.Context, client *admin.Client) error {
		b, err := client.GrantBucket(ctx, o.bucket, o.amount)
		return o.print(b, err)
	})
}

// ofOne says whose numbers are told, where there are several replicas. It is a remark: where they cannot be asked for, there is none.
func (o *limitOptions) ofOne(ctx context.Context, client *admin.Client) {
	all, err := client.Replicas(ctx)
	if err == nil && len(all) > 1 {
		fmt.Fprintf(o.env.stderr, "this is what replica %s has counted, one of %d: ask each by its --server\n", all[0].ID, len(all))
	}
}

// print prints how a bucket stands.
func (o *limitOptions) print(b admin.Bucket, err error) error {
	if err != nil {
		return err
	}
	return o.format.write(o.env.stdout, b, func(w io.Writer) error {
		fmt.Fprintln(w, "ADMITS\tREMAINING\tSPENT\tMORE IN")
		for _, win := range b.Windows {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", win.Window, win.Remaining, win.Spent, moreIn(win.Reset))
		}
		return nil
	})
}

// moreIn tells in how many seconds more remains.
func moreIn(seconds int64) string {
	if seconds <= 0 {
		return "-"
	}
	return (time.Duration(seconds) * time.Second).String()
}

func newLimitTop(env surroundings) *cobra.Command {
	o := limitOptions{env: env}
	c := &cobra.Command{
		Use:   "top",
		Short: "Show who is close to a limit, or over it",
		Long: `Shows the buckets that were closest to their limit when they were last asked for, as far as the
daemon that is asked has seen: with several replicas, ask each. How a bucket in Redis stands for
all of them is told by show. It follows a few hundred buckets, those asked for most.`,
		Example: "  gatehouse limit top --most 5",
		Args:    noWords,
	}
	c.Flags().IntVar(&o.most, "most", 20, "at most `N` of them")
	return o.verb(c, func(ctx context.Context, client *admin.Client) error {
		if o.most < 1 || o.most > 500 {
			return usageError{fmt.Errorf("--most %d: write a number from 1 to 500", o.most)}
		}
		all, err := client.TopBuckets(ctx, o.most)
		if err != nil {
			return err
		}
		o.ofOne(ctx, client)
		return o.format.write(env.stdout, all, func(w io.Writer) error {
			fmt.Fprintln(w, "LIMIT\tVALUES\tUSED\tOVER\tTIMES\tMORE IN")
			for _, b := range all {
				fmt.Fprintf(w, "%s\t%s\t%.0f%%\t%t\t%d\t%s\n", b.Limit, dash(strings.Join(b.Values, " ")), 100*b.Used, b.Over, b.Times, moreIn(b.Reset))
			}
			return nil
		})
	})
}

// completeLimits completes the names of limits.
func completeLimits(env surroundings) completion {
	return completing(env, 1, func(ctx context.Context, client *admin.Client) ([]string, error) {
		all, err := client.Limits(ctx)
		var words []string
		for _, l := range all {
			words = append(words, cobra.CompletionWithDesc(l.ID, strings.Join(l.Windows, "; ")))
		}
		return words, err
	})
}
