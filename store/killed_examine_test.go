package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

func examine(t *testing.T, place string, seen *confirmed) {
	ctx := t.Context()
	s, err := store.Open(ctx, at(place)) // Looks for damage.
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = s.Close() }()
	for what, query := range map[string]string{
		"contents without entry": "SELECT count(*) FROM contents WHERE id NOT IN (SELECT content FROM entries)",
		"files without content":  "SELECT count(*) FROM files WHERE hash NOT IN (SELECT file FROM content_files)",
		"files that are missing": "SELECT count(*) FROM content_files WHERE file NOT IN (SELECT hash FROM files)",
	} {
		if n, err := s.Count(ctx, query); err != nil || n != 0 {
			t.Errorf("%d %s: %v", n, what, err)
		}
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	examineReplicas(t, s, seen)
	examineHistory(t, s, seen)
	examineNodes(t, s, seen)
	examineTokens(t, s, seen)
	examinePeople(t, s, seen)
}

func examineHistory(t *testing.T, s *store.Store, seen *confirmed) {
	ctx := t.Context()
	entries, err := s.History.List(ctx, store.Query{Limit: 1000})
	if err != nil {
		t.Error(err)
	}
	examineRollouts(t, s, entries)
	found := map[int64]string{}
	for _, e := range entries {
		found[e.Number] = e.Content
		examineEntry(t, s, e)
		files, err := s.History.Files(ctx, e.Content)
		by, i, _ := strings.Cut(e.Content, "-")
		var number int64
		if _, scanErr := fmt.Sscan(i, &number); err != nil || scanErr != nil || !maps.EqualFunc(files, derived(by, number), bytes.Equal) {
			t.Errorf("entry %d: files are not what was added: %v", e.Number, err)
		}
	}
	for number, content := range seen.entries {
		pruned := len(entries) >= kept && number < entries[kept-1].Number
		if found[number] != content && !pruned {
			t.Errorf("entry %d with content %s was confirmed and is lost: %q", number, content, found[number])
		}
	}
}

func examineNodes(t *testing.T, s *store.Store, seen *confirmed) {
	ctx := t.Context()
	for name, want := range seen.numbers["value"] {
		if v, err := s.Observed.Get(ctx, "endpoints", name); err != nil || atLeast(string(v.Value)) < want {
			t.Errorf("value %s: %q, %d was confirmed: %v", name, v.Value, want, err)
		}
	}
	for fleet, want := range seen.numbers["nodes"] {
		nodes, err := s.Nodes.List(ctx, fleet)
		if err != nil || len(nodes) != 30 {
			t.Errorf("%d nodes: %v", len(nodes), err)
			continue
		}
		for _, n := range nodes[1:] {
			if n.Address != nodes[1].Address || atLeast(n.Address) < want {
				t.Errorf("node %s/%s is of batch %s, others of %s, %d was confirmed", fleet, n.Name, n.Address, nodes[1].Address, want)
			}
		}
	}
}

func examineTokens(t *testing.T, s *store.Store, seen *confirmed) {
	ctx := t.Context()
	uses := map[string]int64{}
	tokens, err := s.Tokens.List(ctx, "")
	if err != nil {
		t.Error(err)
	}
	for _, token := range tokens {
		uses[token.ID] = int64(token.Uses)
	}
	for id, want := range seen.numbers["token"] {
		if left, found := uses[id]; !found || left > want {
			t.Errorf("token %s: %d uses left (%v), %d was confirmed", id, left, found, want)
		}
	}
}

// examineReplicas looks for what writeOfReplicas wrote.
func examineReplicas(t *testing.T, s *store.Store, seen *confirmed) {
	ctx := t.Context()
	leases, err := s.Leases.List(ctx)
	if err != nil {
		t.Error(err)
	}
	fences, reports := map[string]int64{}, map[string]int64{}
	for _, l := range leases {
		fences[l.Holder] = l.Fence
	}
	replicas, err := s.Replicas.List(ctx, 0)
	if err != nil {
		t.Error(err)
	}
	for _, r := range replicas {
		reports[r.ID] = atLeast(string(r.Report))
	}
	for who, want := range seen.numbers["lease"] {
		if fences[who] < want {
			t.Errorf("lease of %s: fence %d, %d was confirmed", who, fences[who], want)
		}
	}
	for who, want := range seen.numbers["beat"] {
		if reports[who] < want {
			t.Errorf("replica %s: report %d, %d was confirmed", who, reports[who], want)
		}
	}
	for who, want := range seen.numbers["secret"] {
		if secret, err := s.Secrets.Get(ctx, who); err != nil || atLeast(string(secret)) < want {
			t.Errorf("secret %s: %q, %d was confirmed: %v", who, secret, want, err)
		}
	}
	for who, want := range seen.numbers["meta"] {
		a, aErr := s.Meta.Get(ctx, who+"/a")
		b, bErr := s.Meta.Get(ctx, who+"/b")
		if err := errors.Join(aErr, bErr); err != nil || a != b || atLeast(a) < want {
			t.Errorf("values of %s: %s and %s, %d was confirmed: %v", who, a, b, want, err)
		}
	}
}

func atLeast(text string) (number int64) {
	_, _ = fmt.Sscan(text, &number)
	return number
}

// examineRollouts looks whether each entry that is rolling has an open rollout, and the other way round.
func examineRollouts(t *testing.T, s *store.Store, entries []store.Entry) {
	rollouts, err := s.Rollouts.Open(t.Context())
	if err != nil {
		t.Error(err)
	}
	open, rolling := map[int64]bool{}, map[int64]bool{}
	for _, r := range rollouts {
		open[r.Entry] = true
	}
	for _, e := range entries {
		if e.State == "rolling" {
			rolling[e.Number] = true
		}
	}
	if !maps.Equal(open, rolling) {
		t.Errorf("entries with an open rollout: %v; entries that are rolling: %v", open, rolling)
	}
}
