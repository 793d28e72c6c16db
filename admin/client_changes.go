package admin

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"
)

// patience bounds a call that carries or compiles a whole configuration.
const patience = time.Minute

// patient returns the client with that bound. Its errors wrap ErrNotFound, ErrConflict, ErrRefused and ErrUnable where one of these
// is the reason, and hold a FaultyError where documents have faults.
func (c *Client) patient() *Client {
	slow, asker := *c, *c.http
	asker.Timeout = patience
	slow.http = &asker
	return &slow
}

// Plan tells what a proposal would change.
func (c *Client) Plan(ctx context.Context, p Proposal) (Plan, error) {
	var answer Plan
	err := c.patient().post(ctx, "/v1/plan", p, &answer)
	return answer, err
}

// Apply makes a history entry of a proposal and begins its rollout. What is refused for faults has these in its Plan too.
func (c *Client) Apply(ctx context.Context, p Proposal) (Applied, error) {
	var answer Applied
	err := c.patient().post(ctx, "/v1/apply", p, &answer)
	if faulty, ok := errors.AsType[*FaultyError](err); ok {
		answer.Plan.Source, answer.Plan.Faults = p.Source, faulty.Faults
	}
	return answer, err
}

// Rollback makes an entry with the content of an older one.
func (c *Client) Rollback(ctx context.Context, r Rollback) (Applied, error) {
	var answer Applied
	err := c.patient().post(ctx, "/v1/rollback", r, &answer)
	return answer, err
}

// History returns entries with a number below one (0: all), newest first.
func (c *Client) History(ctx context.Context, before int64, limit int) ([]Entry, error) {
	var answer struct {
		Entries []Entry `json:"entries"`
	}
	query := url.Values{"before": {strconv.FormatInt(before, 10)}, "limit": {strconv.Itoa(limit)}}
	err := c.get(ctx, "/v1/history", query, &answer)
	return answer.Entries, err
}

// Entry returns one entry of the history; 0 is the one that is live.
func (c *Client) Entry(ctx context.Context, number int64) (Entry, error) {
	var answer Entry
	err := c.get(ctx, "/v1/history/"+strconv.FormatInt(number, 10), nil, &answer)
	return answer, err
}

// Documents returns the configuration of an entry (0: live), as handed in or in its canonical form.
func (c *Client) Documents(ctx context.Context, number int64, canonical bool) ([]SourceFiles, error) {
	var answer struct {
		Sources []SourceFiles `json:"sources"`
	}
	query := url.Values{"canonical": {strconv.FormatBool(canonical)}}
	err := c.patient().get(ctx, "/v1/history/"+strconv.FormatInt(number, 10)+"/documents", query, &answer)
	return answer.Sources, err
}

// Compare tells what changes from one entry to another; 0 is the one that is live.
func (c *Client) Compare(ctx context.Context, from, to int64) (Comparison, error) {
	var answer Comparison
	query := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	err := c.patient().get(ctx, "/v1/compare", query, &answer)
	return answer, err
}
