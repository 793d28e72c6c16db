package main

import (
	"fmt"
	"io"
	"path"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// nodesTable prints nodes for people, in at most 120 columns where names are not long. now is what ages are told by.
func nodesTable(w io.Writer, nodes []admin.Node, now time.Time) {
	if len(nodes) > 0 {
		fmt.Fprintln(w, "FLEET\tNODE\tSTATE\tENVOY\tBOOT\tADDRESS\tWANTED\tHAS\tAGE\tSENT\tSINCE")
	}
	for _, n := range nodes {
		since := n.Connected
		if !n.Disconnected.IsZero() {
			since = n.Disconnected
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Fleet, n.Name, n.State, dash(n.Envoy), dash(n.Bootstrap), dash(n.Address),
			entryName(n.Entry, n.Revision), entryName(n.AcknowledgedEntry, n.Acknowledged),
			age(n.AcknowledgedCreated, now), size(n.Sent), age(since, now))
	}
}

// entryName is a history entry's number and as much of its content id as tells it from others.
func entryName(number int64, content string) string {
	const enough = 6
	content = content[:min(len(content), enough)]
	if number == 0 {
		return dash(content)
	}
	return strconv.FormatInt(number, 10) + " " + content
}

// age is how long ago a time was, in its largest unit; "-" where it is not known.
func age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	const day = 24 * time.Hour
	passed := max(now.Sub(since), 0)
	switch {
	case passed < time.Minute:
		return fmt.Sprintf("%ds", passed/time.Second)
	case passed < time.Hour:
		return fmt.Sprintf("%dm", passed/time.Minute)
	case passed < 2*day:
		return fmt.Sprintf("%dh", passed/time.Hour)
	}
	return fmt.Sprintf("%dd", passed/day)
}

// size is a number of bytes in the unit in which it has few digits, as powers of 1024.
func size(bytes uint64) string {
	const step, few = 1024, 10
	if bytes < step {
		return fmt.Sprintf("%dB", bytes)
	}
	value := float64(bytes)
	unit := -1
	for value >= step && unit < 3 {
		value /= step
		unit++
	}
	if value < few {
		return fmt.Sprintf("%.1f%c", value, "KMGT"[unit])
	}
	return fmt.Sprintf("%.0f%c", value, "KMGT"[unit])
}

// comment says below the table what is to be minded about nodes, and what they refused that they should still have, and where it comes from. A node that has all is
// not asked what it once refused.
func comment(w io.Writer, nodes []admin.Node) {
	for _, n := range nodes {
		if n.Warning != "" {
			fmt.Fprintf(w, "%s/%s: %s\n", n.Fleet, n.Name, n.Warning)
		}
		r := n.LastRefusal
		if r == nil || n.State == admin.Synced {
			continue
		}
		fmt.Fprintf(w, "%s/%s refused at %s, %s: %s\n", n.Fleet, n.Name, r.Time.UTC().Format(time.RFC3339), path.Base(r.Type), r.Text)
		for _, s := range r.Suspects {
			if s.Named || r.Total == 1 {
				fmt.Fprintf(w, "  %s %s\n", s.Name, s.Origin)
			}
		}
	}
}
