package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
)

// recordSource is where recorded decisions are read from: a file of a decision log, or the running daemon.
type recordSource struct {
	env    surroundings
	daemon daemon
	file   string
	last   time.Duration
	api    string
}

// add gives a verb the flags.
func (o *recordSource) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.file, "decisions", "", "`FILE` of decisions as JSON lines; - for the standard input")
	f.DurationVar(&o.last, "last", 0, "the daemon's records of the last `DURATION`")
	f.StringVar(&o.api, "api", "", "only this API, by its `NAME`")
	c.MarkFlagsMutuallyExclusive("decisions", "last")
	c.MarkFlagsOneRequired("decisions", "last")
	o.daemon.add(c)
}

// each reads the decisions.
func (o *recordSource) each(ctx context.Context, visit func(*gateway.Decision) error) error {
	if o.file == "" {
		client, err := o.daemon.dial(o.env)
		if err != nil {
			return err
		}
		all, err := client.Decisions(ctx, admin.DecisionQuery{Since: o.env.now().Add(-o.last), API: o.api})
		if err != nil {
			return away(err)
		}
		for i := range all {
			if err := visit(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	from := o.env.stdin
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return fmt.Errorf("--decisions: %w", err)
		}
		defer func() { _ = file.Close() }() // Only read from.
		from = file
	}
	return readDecisions(from, o.file, o.api, visit)
}

// maxRecord bounds a line of a decision log.
const maxRecord = 4 << 20

// readDecisions reads JSON lines. Half a line at the end, as a log has that is written to, is passed over.
func readDecisions(from io.Reader, name, api string, visit func(*gateway.Decision) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxRecord)
	var wrong error
	for number := 1; lines.Scan(); number++ {
		if wrong != nil {
			return wrong
		}
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		var d gateway.Decision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			wrong = fmt.Errorf("%s:%d is no decision: %w", name, number, err)
			continue
		}
		if api != "" && d.API != api {
			continue
		}
		if err := visit(&d); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
