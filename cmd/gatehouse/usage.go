package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// usageOptions are what `gatehouse usage` is told.
type usageOptions struct {
	env          surroundings
	daemon       daemon
	since, until string
	query        admin.UsageQuery
	format       *choice
}

// newUsage returns `gatehouse usage`.
func newUsage(env surroundings) *cobra.Command {
	o := usageOptions{env: env}
	c := &cobra.Command{
		Use:   "usage",
		Short: "Tell how often each operation was called",
		Long: `Asks the running daemon how often each operation was called, by hours: what all replicas have
counted from the access logs, up to a minute ago. MEAN is how long a request took on average,
LOCAL how many were answered by Envoy or Gatehouse and not by an upstream. Hours are kept for
90 days. An Envoy loses entries of its log in silence while nobody receives them: bills are
made from something else.`,
		Example: `  gatehouse usage --since 24h
  gatehouse usage --since 2026-11-01T00:00:00Z --api payments --hourly -o json`,
		Args: noWords,
	}
	f := c.Flags()
	f.StringVar(&o.since, "since", "", "only hours that began from this `TIME` on")
	f.StringVar(&o.until, "until", "", "only hours that began before this `TIME`")
	f.StringVar(&o.query.API, "api", "", "only this API, by its `NAME`")
	f.StringVar(&o.query.Version, "version", "", "only this `VERSION`")
	f.StringVar(&o.query.Operation, "operation", "", "only this operation, by its `ID`")
	f.BoolVar(&o.query.Hourly, "hourly", false, "hour by hour, not added up")
	o.format = newFormat(c)
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context()) }
	return c
}

func (o *usageOptions) run(ctx context.Context) error {
	var err error
	if o.query.Since, err = pointInTime(o.since, o.env.now()); err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	if o.query.Until, err = pointInTime(o.until, o.env.now()); err != nil {
		return usageError{fmt.Errorf("--until: %w", err)}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	all, err := client.Usage(ctx, o.query)
	if err != nil {
		return away(err)
	}
	if len(all) == 0 && o.format.value == "table" {
		fmt.Fprintln(o.env.stderr, "nothing was called")
		return nil
	}
	return o.format.write(o.env.stdout, all, func(w io.Writer) error {
		usageTable(w, all)
		return nil
	})
}

// usageLine is one line of the table: an operation, all classes of status together.
type usageLine struct {
	admin.Used

	classes map[string]int64
}

// usageTable writes one line for each operation, and hour where those are told.
func usageTable(w io.Writer, all []admin.Used) {
	fmt.Fprintln(w, "HOUR\tAPI\tVERSION\tOPERATION\tREQUESTS\t2XX\t4XX\t5XX\tLOCAL\tBYTES\tMEAN")
	for _, l := range usageLines(all) {
		hour, mean := "", ""
		if !l.Hour.IsZero() {
			hour = l.Hour.UTC().Format(time.RFC3339)
		}
		if l.Timed > 0 {
			mean = time.Duration(l.Latency / float64(l.Timed) * float64(time.Second)).Round(10 * time.Microsecond).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", dash(hour), l.API, dash(l.Version), l.Operation, l.Requests,
			l.classes["2xx"], l.classes["4xx"], l.classes["5xx"], l.Local, l.BytesIn+l.BytesOut, dash(mean))
	}
}

// usageLines adds up the classes of each operation; within an hour what was called most comes first.
func usageLines(all []admin.Used) []*usageLine {
	var lines []*usageLine
	for _, u := range all {
		var l *usageLine
		if n := len(lines); n > 0 && lines[n-1].Hour.Equal(u.Hour) && lines[n-1].API == u.API && lines[n-1].Version == u.Version && lines[n-1].Operation == u.Operation {
			l = lines[n-1]
		} else {
			l = &usageLine{Used: admin.Used{Hour: u.Hour, API: u.API, Version: u.Version, Operation: u.Operation}, classes: map[string]int64{}}
			lines = append(lines, l)
		}
		l.classes[u.Class] += u.Requests
		l.Requests += u.Requests
		l.Local += u.Local
		l.BytesIn += u.BytesIn
		l.BytesOut += u.BytesOut
		l.Timed += u.Timed
		l.Latency += u.Latency
	}
	slices.SortStableFunc(lines, func(a, b *usageLine) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(b.Requests, a.Requests))
	})
	return lines
}
