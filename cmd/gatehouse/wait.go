package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// waiter waits until every Envoy has acknowledged an entry of the history, or its rollout has stopped.
type waiter struct {
	env     surroundings
	client  *admin.Client
	entry   int64
	timeout time.Duration

	said string // The last line of progress.
}

// run waits, and tells on the standard error how far it is. The error tells why it stopped.
func (w *waiter) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	for {
		done, err := w.look(ctx)
		switch {
		case done || (err != nil && ctx.Err() == nil && !errors.Is(err, admin.ErrAway)):
			return err
		case err != nil && ctx.Err() == nil:
			w.say("the daemon does not answer: " + err.Error()) // It may hand over, or start again.
		}
		select {
		case <-ctx.Done():
			return w.late(ctx)
		case <-time.After(watchEvery):
		}
	}
}

// late tells why waiting ended before the rollout did.
func (w *waiter) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("entry %d is not everywhere after %s; its rollout goes on: \"gatehouse rollout status\"", w.entry, w.timeout)
	}
	return fmt.Errorf("nobody waits for entry %d any more; its rollout goes on", w.entry)
}

// look asks once. done: there is nothing more to wait for.
func (w *waiter) look(ctx context.Context) (done bool, err error) {
	entry, err := w.client.Entry(ctx, w.entry)
	if err != nil {
		return false, err
	}
	switch entry.State {
	case "live":
		return w.acknowledged(ctx)
	case "rolling":
		return w.rolling(ctx)
	case "held":
		return true, fmt.Errorf("entry %d is held: %s; \"gatehouse confirm %d\" rolls it out", w.entry, entry.Reason, w.entry)
	}
	return true, fmt.Errorf("entry %d is %s%s", w.entry, entry.State, because(entry.Reason))
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// rolling tells how far the rollouts are. One that is paused has stopped.
func (w *waiter) rolling(ctx context.Context) (done bool, err error) {
	all, err := w.client.Rollouts(ctx)
	if err != nil {
		return false, err
	}
	var parts []string
	for _, r := range all.Rollouts {
		if r.Entry != w.entry {
			continue
		}
		if r.Phase == "paused" {
			reason := ""
			if r.Reason != nil {
				reason = r.Reason.Text
			}
			return true, fmt.Errorf("entry %d is paused in fleet %s%s; \"gatehouse rollout resume %s\" lets it go on", w.entry, r.Fleet, because(reason), r.Fleet)
		}
		part := fmt.Sprintf("fleet %s %s, wave %d of %d", r.Fleet, r.Phase, r.Wave, r.Waves)
		if r.Waiting != nil {
			part += ", " + r.Waiting.Text
		}
		parts = append(parts, part)
	}
	w.say(fmt.Sprintf("entry %d: %s", w.entry, strings.Join(parts, "; ")))
	return false, nil
}

// acknowledged tells whether every connected Envoy has acknowledged what it should have.
func (w *waiter) acknowledged(ctx context.Context) (done bool, err error) {
	nodes, err := w.client.Nodes(ctx, "")
	if err != nil {
		return false, err
	}
	var behind, refused []string
	have := 0
	for _, n := range nodes {
		switch name := n.Fleet + "/" + n.Name; n.State {
		case admin.Behind:
			behind = append(behind, name)
		case admin.Refused:
			refused = append(refused, name)
		case admin.Synced:
			have++
		}
	}
	switch {
	case len(refused) > 0:
		return true, fmt.Errorf("entry %d is live, and refused by %s: \"gatehouse nodes\" has Envoy's words", w.entry, strings.Join(refused, ", "))
	case len(behind) > 0:
		w.say(fmt.Sprintf("entry %d: waiting for %s", w.entry, strings.Join(behind, ", ")))
		return false, nil
	}
	w.say(fmt.Sprintf("entry %d is live, %s", w.entry, acknowledgedBy(have)))
	return true, nil
}

func acknowledgedBy(nodes int) string {
	if nodes == 0 {
		return "and no Envoy is connected"
	}
	return "acknowledged by " + count(nodes, "node")
}

// say writes a line of progress, once.
func (w *waiter) say(line string) {
	if line != w.said {
		w.said = line
		fmt.Fprintln(w.env.stderr, line)
	}
}
