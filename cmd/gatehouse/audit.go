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

// newAudit returns `gatehouse audit`.
func newAudit(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Tell who changed what through the management API, and verify that record",
		Long: `The audit holds every change that was attempted through the management API, and every read
that was denied: who, from where, what, and what came of it. It is only added to, and each
record holds the hash of the one before it.`,
		Example: `  gatehouse audit list --caller "token ci"
  gatehouse audit verify`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAuditList(env), newAuditVerify(env))
	return c
}

// auditListOptions are what `gatehouse audit list` is told.
type auditListOptions struct {
	env          surroundings
	daemon       daemon
	query        admin.RecordQuery
	since, until string
	result       choice
	format       *choice
}

func newAuditList(env surroundings) *cobra.Command {
	o := auditListOptions{env: env, result: newChoice("", "begun", "done", "denied", "failed")}
	c := &cobra.Command{
		Use:   "list",
		Short: "List what was attempted, newest first",
		Long: `Lists what was attempted, newest first. begun is what is under way, or whose end could not be
recorded. A time is written as 2026-11-23T08:00:00Z, or as a duration before now, such as 24h.`,
		Example: `  gatehouse audit list --since 24h
  gatehouse audit list --caller "token ci" --operation applyChange -o json
  gatehouse audit list --result denied`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.query.Caller, "caller", "", "only this `CALLER`, such as \"uid 0\" or \"token ci\"")
	f.StringVar(&o.query.Operation, "operation", "", "only this `OPERATION`, by its id in /openapi.json")
	o.result.add(c, "result", "", "only what came to this")
	f.StringVar(&o.since, "since", "", "only from this `TIME` on")
	f.StringVar(&o.until, "until", "", "only before this `TIME`")
	f.IntVar(&o.query.Limit, "limit", 100, "how many at most, as `NUMBER`; 0: all")
	f.BoolVar(&o.query.Begun, "begun", false, "also the beginnings of what has ended")
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *auditListOptions) run(ctx context.Context) error {
	var err error
	if o.query.Since, err = pointInTime(o.since, o.env.now()); err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	if o.query.Until, err = pointInTime(o.until, o.env.now()); err != nil {
		return usageError{fmt.Errorf("--until: %w", err)}
	}
	if o.query.Limit < 0 {
		return usageError{errors.New("--limit: a number from 0 on")}
	}
	o.query.Result = admin.Result(o.result.value)
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	records, err := o.records(ctx, client)
	if err != nil {
		return away(err)
	}
	if len(records) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "nothing of that kind stands in the audit")
		return nil
	}
	return o.format.write(o.env.stdout, records, func(w io.Writer) error {
		fmt.Fprintln(w, "NUMBER\tTIME\tCALLER\tROLE\tFROM\tOPERATION\tTARGET\tRESULT\tCHANGE")
		for _, r := range records {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Time.UTC().Format(time.RFC3339), dash(r.Caller), dash(string(r.Role)),
				r.From, r.Operation, dash(r.Target), outcome(r), dash(change(r)))
		}
		return nil
	})
}

// records asks for page after page.
func (o *auditListOptions) records(ctx context.Context, client *admin.Client) ([]admin.Record, error) {
	const most = 1000
	all, left, query := []admin.Record{}, o.query.Limit, o.query
	for {
		query.Limit = most
		if o.query.Limit > 0 {
			query.Limit = min(left, most)
		}
		part, next, err := client.Records(ctx, query)
		if err != nil {
			return nil, err
		}
		all, left = append(all, part...), left-len(part)
		if next == 0 || o.query.Limit > 0 && left <= 0 {
			return all, nil
		}
		query.Before = next
	}
}

// outcome is what came of it, with the status where it was not done.
func outcome(r admin.Record) string {
	if r.Result == admin.Done || r.Status == 0 {
		return string(r.Result)
	}
	return fmt.Sprintf("%s %d", r.Result, r.Status)
}

// change tells what changed, in a few words.
func change(r admin.Record) string {
	text := r.After
	if r.Before != "" {
		text = r.Before + " -> " + dash(r.After)
	}
	return strings.TrimPrefix(strings.TrimSuffix(text+"; "+r.Detail, "; "), "; ")
}

// pointInTime reads a time, or a duration before now.
func pointInTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-11-23T08:00:00Z nor a duration such as 24h", text)
	}
	return at, nil
}

func newAuditVerify(env surroundings) *cobra.Command {
	var d daemon
	var heads []string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Look for records that were changed, are missing or were moved",
		Long: `Reads the whole audit and looks for records that were changed, are missing or were moved, and
prints its head: the number and the hash of the last record. Exit code 1 tells that something
is wrong.

Whoever can write to the store and to the state directory can also take the end away, or write
all of it anew. That shows only by a head that was kept elsewhere: keep what this verb prints,
or the daemon's hourly log line "audit", and give it as --head.`,
		Example: `  gatehouse audit verify
  gatehouse audit verify --head 1207:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: noWords,
	}
	c.Flags().StringSliceVar(&heads, "head", nil, "a `HEAD` that was kept, as NUMBER:HASH; may be repeated")
	format := newFormat(c)
	d.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		known, err := readHeads(heads)
		if err != nil {
			return usageError{fmt.Errorf("--head: %w", err)}
		}
		client, err := d.dial(env)
		if err != nil {
			return err
		}
		report, err := client.VerifyAudit(c.Context(), known)
		if err != nil {
			return away(err)
		}
		return printReport(env, format, report)
	}
	return c
}

// printReport prints what came of a verification. That something is wrong is an error, which was said already.
func printReport(env surroundings, format *choice, report admin.AuditReport) error {
	err := format.write(env.stdout, report, func(w io.Writer) error {
		fmt.Fprintf(w, "records\t%d\nhead\t%d:%s\n", report.Records, report.Head.Seq, report.Head.Hash)
		return nil
	})
	if err != nil || len(report.Findings) == 0 {
		return err
	}
	for _, f := range report.Findings {
		fmt.Fprintf(env.stderr, "record %d: %s\n", f.Seq, f.What)
	}
	if report.More {
		fmt.Fprintln(env.stderr, "and more")
	}
	return silentError{}
}

// readHeads reads heads as NUMBER:HASH.
func readHeads(given []string) ([]admin.AuditHead, error) {
	var heads []admin.AuditHead
	for _, text := range given {
		number, hash, ok := strings.Cut(text, ":")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || seq < 0 {
			return nil, fmt.Errorf("%q is not NUMBER:HASH", text)
		}
		heads = append(heads, admin.AuditHead{Seq: seq, Hash: hash})
	}
	return heads, nil
}
