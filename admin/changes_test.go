package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

// changing answers what a test sets, and notes what it was asked.
type changing struct {
	err   error
	plan  Plan
	asked any
}

func (c *changing) Plan(_ context.Context, p Proposal) (Plan, error) {
	c.asked = p
	return c.plan, c.err
}

func (c *changing) Apply(_ context.Context, p Proposal) (Applied, error) {
	c.asked = p
	return Applied{Entry: 7, Made: true, State: "rolling", Plan: c.plan}, c.err
}

func (c *changing) Rollback(_ context.Context, r Rollback) (Applied, error) {
	c.asked = r
	return Applied{Entry: 8, Made: true, State: "rolling", Plan: c.plan}, c.err
}

func (c *changing) History(_ context.Context, before int64, limit int) ([]Entry, error) {
	c.asked = []int64{before, int64(limit)}
	return []Entry{{Number: 3, Content: "c3", Author: "uid 0", Created: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), State: "live", Live: true}}, c.err
}

func (c *changing) Entry(_ context.Context, number int64) (Entry, error) {
	c.asked = number
	return Entry{Number: 3, Of: 1, State: "live"}, c.err
}

func (c *changing) Documents(_ context.Context, number int64, canonical bool) ([]SourceFiles, error) {
	c.asked = fmt.Sprint(number, canonical)
	return []SourceFiles{{Source: "shop", Team: "shop", Files: map[string][]byte{"a.yaml": []byte("größe\x00\xff")}}}, c.err
}

func (c *changing) Compare(_ context.Context, from, to int64) (Comparison, error) {
	c.asked = []int64{from, to}
	return Comparison{From: from, To: to, Changes: c.plan.Changes, Fleets: []FleetChange{}}, c.err
}

// emptyPlan is a plan as it comes back: lists are never null.
func emptyPlan() Plan {
	return Plan{
		Changes: []gateway.Change{}, Kept: []gateway.Ref{}, Fleets: []FleetChange{}, Routes: []RouteChange{}, Tests: []PolicyTest{},
		Warnings: []gateway.Fault{}, Faults: []gateway.Fault{},
	}
}

// serveChanges runs the API on a socket and returns a client for it.
func serveChanges(t *testing.T, c *changing) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	k := &known{ruling: func(Question) (Verdict, error) { return Verdict{Allow: true}, nil }}
	serveWith(t, "unix", path, func(o *Options) { o.Changes, o.Callers, o.Roles, o.Journal = c, k, k, &k.book })
	return dial(t, "unix:"+path, "")
}

func TestChangesTravel(t *testing.T) {
	t.Parallel()
	plan := emptyPlan()
	plan.Source, plan.Base, plan.Result, plan.Series = "shop", 6, "abc", -3
	plan.Changes = []gateway.Change{{
		Kind: gateway.Changed, Object: gateway.Ref{Kind: gateway.KindAPI, Name: "shop", Version: "v1"}, Source: "shop",
		Place:  gateway.Place{File: "a.yaml", Line: 2, Column: 1},
		Fields: []gateway.FieldChange{{Kind: gateway.Changed, Field: "to", Before: "[a]", After: "[b]"}},
	}}
	c := &changing{plan: plan}
	client := serveChanges(t, c)
	proposal := Proposal{
		Source: "shop", Files: map[string][]byte{"a.yaml": []byte("schema: 1\n"), "deep/b.rego": {0, 255}}, Prune: true, TakeOver: true,
		Base: 6, Result: "abc", Message: "why",
	}
	for what, call := range map[string]func() (any, any, any, error){
		"plan": func() (any, any, any, error) {
			got, err := client.Plan(t.Context(), proposal)
			return got, plan, proposal, err
		},
		"apply": func() (any, any, any, error) {
			edits := Proposal{Source: "cli", Edits: []Edit{
				{Object: gateway.Ref{Kind: gateway.KindRoute, Name: "shop"}, Set: []SetField{{Field: "to", Value: "[shop]"}}}, {Remove: true},
			}}
			got, err := client.Apply(t.Context(), edits)
			return got, Applied{Entry: 7, Made: true, State: "rolling", Plan: plan}, edits, err
		},
		"rollback": func() (any, any, any, error) {
			asked := Rollback{Entry: 2, Base: 7, Message: "back", DryRun: true}
			got, err := client.Rollback(t.Context(), asked)
			return got, Applied{Entry: 8, Made: true, State: "rolling", Plan: plan}, asked, err
		},
		"history": func() (any, any, any, error) {
			got, err := client.History(t.Context(), 9, 5)
			want, _ := c.History(t.Context(), 9, 5)
			return got, want, []int64{9, 5}, err
		},
		"entry": func() (any, any, any, error) {
			got, err := client.Entry(t.Context(), 0)
			return got, Entry{Number: 3, Of: 1, State: "live"}, int64(0), err
		},
		"documents": func() (any, any, any, error) {
			got, err := client.Documents(t.Context(), 4, true)
			want, _ := c.Documents(t.Context(), 4, true)
			return got, want, "4 true", err
		},
		"compare": func() (any, any, any, error) {
			got, err := client.Compare(t.Context(), 0, 4)
			return got, Comparison{To: 4, Changes: plan.Changes, Fleets: []FleetChange{}}, []int64{0, 4}, err
		},
	} {
		got, want, asked, err := call()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s -want +got:\n%s", what, diff)
		}
		if diff := cmp.Diff(asked, c.asked); diff != "" {
			t.Errorf("%s asked -want +got:\n%s", what, diff)
		}
	}
}

func TestChangesRefuse(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{ErrNotFound, ErrConflict, ErrRefused, ErrUnable} {
		client := serveChanges(t, &changing{err: fmt.Errorf("%w: entry 9 is live", kind)})
		_, err := client.Apply(t.Context(), Proposal{Source: "shop"})
		if !errors.Is(err, kind) || err.Error() != kind.Error()+": entry 9 is live" {
			t.Errorf("%v came back as %v", kind, err)
		}
		for _, other := range []error{ErrNotFound, ErrConflict, ErrRefused, ErrUnable} {
			if !errors.Is(kind, other) && errors.Is(err, other) {
				t.Errorf("%v came back as %v too", kind, other)
			}
		}
	}
}

func TestFaultsTravel(t *testing.T) {
	t.Parallel()
	faults := gateway.Faults{
		{Code: gateway.CodeDangling, Place: gateway.Place{File: "a.yaml", Line: 3, Column: 5}, Field: "to[0]", Object: gateway.Ref{Kind: gateway.KindRoute, Name: "shop"}, Team: "shop", Message: "there is no Upstream"},
		{Code: gateway.CodeFile, Place: gateway.Place{File: "b.yaml"}, Message: "is not there"},
	}
	client := serveChanges(t, &changing{err: fmt.Errorf("apply: %w", &FaultyError{Reason: "the documents have 2 faults", Faults: faults})})
	applied, err := client.Apply(t.Context(), Proposal{Source: "shop"})
	faulty, ok := errors.AsType[*FaultyError](err)
	if !ok || !errors.Is(err, ErrRefused) || faulty.Reason != "the documents have 2 faults" {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(faults, faulty.Faults); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]gateway.Fault(faults), applied.Plan.Faults); diff != "" {
		t.Errorf("in the plan -want +got:\n%s", diff)
	}
}

func TestAwayTellsWhenToComeBack(t *testing.T) {
	t.Parallel()
	client := serveChanges(t, &changing{err: ErrUnable})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.base+"/v1/rollback", strings.NewReader(`{"entry":1}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
	}
}

// A proposal of ten thousand documents is read; more than the bound is refused.
func TestProposalIsBounded(t *testing.T) {
	t.Parallel()
	c := &changing{plan: emptyPlan()}
	client := serveChanges(t, c)
	large := Proposal{Source: "shop", Files: map[string][]byte{"a.yaml": make([]byte, 30<<20)}}
	if _, err := client.Plan(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if got := len(c.asked.(Proposal).Files["a.yaml"]); got != 30<<20 {
		t.Errorf("%d bytes arrived", got)
	}
	large.Files["b.yaml"] = make([]byte, 30<<20)
	if _, err := client.Plan(t.Context(), large); err == nil {
		t.Error("too much is taken")
	}
}
