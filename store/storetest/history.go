package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/store"
)

// files is a small configuration, different for each number.
func files(number int) map[string][]byte {
	return map[string][]byte{
		"gateway.yaml":          []byte("schema: 1\nkind: Gateway\nname: edge\n"),
		"apis/payments.yaml":    fmt.Appendf(nil, "schema: 1\nkind: API\nname: payments\nversion: v%d\n", number),
		"empty":                 {},
		"policies/größe é.rego": bytes.Repeat([]byte{0, 255, byte(number)}, 1000),
	}
}

// add adds an entry with a content of its own.
func (s Subject) add(t fataler, number int, state string) store.Entry {
	t.Helper()
	return must(s.History.Add(t.Context(), store.Entry{Content: fmt.Sprint("content-", number), State: state}, files(number)))(t)
}

func historyComesBack(t *testing.T, s Subject) {
	e := store.Entry{
		Content: "c1", Author: "olga", Message: "raise the limit\nof payments", Parent: 7, Source: "payments", Of: 5, State: "held", Reason: "removes 11 routes",
		Substitutions: []byte(`{"payments/v1":"c0"}`), Resources: []byte{0, 255, 1},
	}
	added := must(s.History.Add(t.Context(), e, files(1)))(t)
	e.Number, e.Created, e.Changed = 1, s.Clock.Now(), s.Clock.Now()
	equal(t, "added", added, e)
	equal(t, "what Envoys got", must(s.History.Resources(t.Context(), 1))(t), e.Resources)
	is(t, "what they got by another", failure(s.History.Resources(t.Context(), 2)), store.ErrNotFound)
	e.Resources = nil
	equal(t, "read", must(s.History.Get(t.Context(), 1))(t), e)
	s.sameFiles(t, "c1", files(1))
	is(t, "another entry", failure(s.History.Get(t.Context(), 2)), store.ErrNotFound)
	is(t, "another content", failure(s.History.Files(t.Context(), "c2")), store.ErrNotFound)
}

func historyLists(t *testing.T, s Subject) {
	for i := range 9 {
		s.add(t, i/3, []string{"live", "superseded", "refused"}[i%3])
	}
	for _, c := range []struct {
		query store.Query
		want  []int64
	}{
		{store.Query{}, []int64{9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{store.Query{Limit: 2}, []int64{9, 8}},
		{store.Query{Limit: 2, Before: 8}, []int64{7, 6}},
		{store.Query{Before: 1}, nil},
		{store.Query{States: []string{"live"}}, []int64{7, 4, 1}},
		{store.Query{States: []string{"live", "refused"}, Before: 7, Limit: 3}, []int64{6, 4, 3}},
		{store.Query{Content: "content-1"}, []int64{6, 5, 4}},
		{store.Query{Content: "content-1", States: []string{"live"}}, []int64{4}},
		{store.Query{States: []string{"'; DROP TABLE entries; --"}}, nil},
	} {
		var got []int64
		for _, e := range must(s.History.List(t.Context(), c.query))(t) {
			got = append(got, e.Number)
		}
		equal(t, fmt.Sprintf("%+v", c.query), got, c.want)
	}
	equal(t, "the latest live one", must(s.History.Latest(t.Context(), "live"))(t).Number, int64(7))
	equal(t, "the latest", must(s.History.Latest(t.Context()))(t).Number, int64(9))
	is(t, "the latest aborted one", failure(s.History.Latest(t.Context(), "aborted")), store.ErrNotFound)
}

func historyKnownContent(t *testing.T, s Subject) {
	s.add(t, 1, "superseded")
	back := must(s.History.Add(t.Context(), store.Entry{Content: "content-1", State: "live"}, nil))(t)
	equal(t, "number", back.Number, int64(2))
	s.sameFiles(t, "content-1", files(1))
}

func historyNeedsContent(t *testing.T, s Subject) {
	for what, e := range map[string]store.Entry{
		"no files of an unknown content": {Content: "c1", State: "live"},
		"no content":                     {State: "live"},
		"no state":                       {Content: "c1"},
	} {
		is(t, what, failure(s.History.Add(t.Context(), e, nil)), store.ErrInvalid)
	}
	equal(t, "entries", must(s.History.List(t.Context(), store.Query{}))(t), []store.Entry(nil))
	is(t, "the content", failure(s.History.Files(t.Context(), "c1")), store.ErrNotFound)
}

func historyStates(t *testing.T, s Subject) {
	want := s.add(t, 1, "held")
	s.Clock.Advance(time.Minute)
	done(t, s.History.SetState(t.Context(), 1, "held", "rolling", "confirmed by olga"))
	want.State, want.Reason, want.Changed = "rolling", "confirmed by olga", s.Clock.Now()
	is(t, "from a state it is not in", s.History.SetState(t.Context(), 1, "held", "aborted", ""), store.ErrConflict)
	is(t, "of an entry that is not", s.History.SetState(t.Context(), 2, "held", "aborted", ""), store.ErrNotFound)
	equal(t, "the entry", must(s.History.Get(t.Context(), 1))(t), want)
}

func historyRace(t *testing.T, s Subject) {
	s.add(t, 1, "held")
	other := s.Open(t, store.Options{})
	won := 0
	for _, err := range race(16, func(i int) error {
		history := []*store.History{s.History, other.History}[i%2]
		return history.SetState(t.Context(), 1, "held", fmt.Sprint("by-", i), "")
	}) {
		if err == nil {
			won++
		} else {
			is(t, "one that came late", err, store.ErrConflict)
		}
	}
	equal(t, "how many set the state", won, 1)
}

func historyNumbers(t *testing.T, s Subject) {
	for i := range 5 {
		s.add(t, i, "superseded")
	}
	must(s.History.Prune(t.Context(), 1))(t)
	equal(t, "the number after pruning", s.add(t, 6, "live").Number, int64(6))
	again := s.Open(t, store.Options{})
	e := must(again.History.Add(t.Context(), store.Entry{Content: "content-6", State: "live"}, nil))(t)
	equal(t, "the number after opening again", e.Number, int64(7))
}

func historyPrunes(t *testing.T, s Subject) {
	for i := 1; i <= 130; i++ {
		state := "superseded"
		if i == 3 {
			state = "live"
		}
		s.add(t, i, state)
	}
	must(s.History.Add(t.Context(), store.Entry{Content: "content-60", State: "aborted"}, nil))(t) // 131
	done(t, s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a", Entry: 9, Content: "content-10"}))
	finished := s.Clock.Now()
	must(s.Rollouts.Put(t.Context(),
		store.Rollout{Fleet: "edge", Entry: 20, Previous: 19, State: "done", Finished: finished},
		store.Rollout{Fleet: "edge", Entry: 22, Previous: 21, State: "done", Finished: finished},
		store.Rollout{Fleet: "edge", Entry: 24, Previous: 23, State: "aborted", Finished: finished},
		store.Rollout{Fleet: "edge", Entry: 26, Previous: 25, State: "rolling"},
	))(t)
	pruned := must(s.History.Prune(t.Context(), 2, "live"))(t)
	var left []int64
	for _, e := range must(s.History.List(t.Context(), store.Query{}))(t) {
		left = append(left, e.Number)
		equal(t, fmt.Sprint("files of entry ", e.Number), len(must(s.History.Files(t.Context(), e.Content))(t)), 4)
	}
	equal(t, "entries left", left, []int64{131, 130, 26, 25, 24, 23, 22, 21, 10, 9, 3})
	// Entry 60 went, its content did not: entry 131 has it too.
	equal(t, "pruned", pruned, store.Pruned{Entries: 120, Contents: 119, Files: 238, Rollouts: 1})
	is(t, "a content that went", failure(s.History.Files(t.Context(), "content-59")), store.ErrNotFound)
	equal(t, "pruned again", must(s.History.Prune(t.Context(), 2, "live"))(t), store.Pruned{})
	is(t, "keeping none", failure(s.History.Prune(t.Context(), 0)), store.ErrInvalid)
}

// historyPrunesNoAncestors keeps what stands in for the quarantined objects of entries that stay.
func historyPrunesNoAncestors(t *testing.T, s Subject) {
	for i, parent := range []int64{0, 1, 1, 2, 3, 5, 0} {
		e := store.Entry{Content: fmt.Sprint("content-", i), State: "live", Parent: parent}
		if parent > 2 {
			e.Substitutions = []byte("[1]")
		}
		must(s.History.Add(t.Context(), e, files(i)))(t)
	}
	must(s.History.Prune(t.Context(), 2))(t)
	var left []int64
	for _, e := range must(s.History.List(t.Context(), store.Query{}))(t) {
		left = append(left, e.Number)
	}
	equal(t, "entries left", left, []int64{7, 6, 5, 3}) // 6 leads to 5, and that to 3.
	must(s.History.Prune(t.Context(), 1))(t)
	equal(t, "entries left", len(must(s.History.List(t.Context(), store.Query{}))(t)), 1)
}

// historyPrunesNoTargets keeps what the rollbacks that stay go back to, and lets it go with them.
func historyPrunesNoTargets(t *testing.T, s Subject) {
	for i, of := range []int64{0, 0, 0, 2, 4, 0} {
		must(s.History.Add(t.Context(), store.Entry{Content: fmt.Sprint("content-", i), State: "live", Of: of}, files(i)))(t)
	}
	must(s.History.Prune(t.Context(), 2))(t)
	var left []int64
	for _, e := range must(s.History.List(t.Context(), store.Query{}))(t) {
		left = append(left, e.Number)
	}
	equal(t, "entries left", left, []int64{6, 5, 4, 2}) // 5 goes back to 4, and that to 2.
	must(s.History.Prune(t.Context(), 1))(t)
	equal(t, "entries left", len(must(s.History.List(t.Context(), store.Query{}))(t)), 1)
}

// historyAgrees runs random calls against a map in memory.
func historyAgrees(t *testing.T, s Subject) {
	states := []string{"held", "rolling", "live"}
	model := map[int64]store.Entry{}
	highest := int64(0)
	s.check(t, func(t *rapid.T) {
		add := func(t *rapid.T) {
			e := s.add(t, rapid.IntRange(0, 20).Draw(t, "content"), rapid.SampledFrom(states).Draw(t, "state"))
			if highest++; e.Number != highest {
				t.Fatalf("number %d, want %d", e.Number, highest)
			}
			model[e.Number] = e
		}
		set := func(t *rapid.T) {
			number := highest + 1 - rapid.Int64Range(0, 10).Draw(t, "number")
			from, to := rapid.SampledFrom(states).Draw(t, "from"), rapid.SampledFrom(states).Draw(t, "to")
			e, found := model[number]
			want := store.ErrNotFound
			switch {
			case found && e.State == from:
				want, e.State, e.Reason, e.Changed = nil, to, "because", s.Clock.Now()
				model[number] = e
			case found:
				want = store.ErrConflict
			}
			is(t, "set", s.History.SetState(t.Context(), number, from, to, "because"), want)
		}
		prune := func(t *rapid.T) {
			keep := rapid.IntRange(1, 8).Draw(t, "keep")
			kept := rapid.SampledFrom([][]string{nil, {"held"}, {"held", "live"}}).Draw(t, "states")
			must(s.History.Prune(t.Context(), keep, kept...))(t)
			numbers := slices.Sorted(maps.Keys(model))
			for _, number := range numbers[:max(len(numbers)-keep, 0)] {
				if !slices.Contains(kept, model[number].State) {
					delete(model, number)
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			rapid.SampledFrom([]func(*rapid.T){add, add, set, set, prune}).Draw(t, "call")(t)
		}
		found := must(s.History.List(t.Context(), store.Query{Limit: 1000}))(t)
		equal(t, "entries", len(found), len(model))
		for i, e := range found {
			equal(t, "entry", e, model[e.Number])
			if i > 0 && i < len(found)-1 {
				continue // The files of the oldest and the newest tell whether pruning took too many.
			}
			if got := len(must(s.History.Files(t.Context(), e.Content))(t)); got != 4 {
				t.Fatalf("entry %d has %d files", e.Number, got)
			}
		}
	})
}
