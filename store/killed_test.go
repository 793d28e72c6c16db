package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// kept is how many entries pruning leaves.
const kept = 40

// writeForEver changes everything that can be changed, in turn, and prints each change after it was confirmed.
func writeForEver(ctx context.Context, out io.Writer, dir string) error {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	me := fmt.Sprint(os.Getpid())
	var open []store.Rollout
	for i := int64(1); ; i++ {
		e, err := s.History.Add(ctx, store.Entry{Content: fmt.Sprint(me, "-", i), State: "held"}, derived(me, i))
		if err != nil {
			return err
		}
		if open, err = rollOut(ctx, s, me, e.Number, open); err != nil {
			return err
		}
		fmt.Fprintln(out, "entry", e.Number, e.Content)
		if _, err := s.Observed.Put(ctx, store.Value{Kind: "endpoints", Name: me, Value: fmt.Append(nil, i)}, store.AnyVersion); err != nil {
			return err
		}
		fmt.Fprintln(out, "value", me, i)
		nodes := make([]store.Node, 30)
		for n := range nodes {
			nodes[n] = store.Node{Fleet: me, Name: fmt.Sprint(n), Entry: e.Number, Address: fmt.Sprint(i)}
		}
		if err := s.Nodes.Put(ctx, nodes...); err != nil {
			return err
		}
		fmt.Fprintln(out, "nodes", me, i)
		token := store.Token{ID: e.Content, Fleet: me, Uses: 2, Expires: time.Now().Add(time.Hour)}
		if _, err := s.Tokens.Create(ctx, token, make([]byte, 32)); err != nil {
			return err
		}
		fmt.Fprintln(out, "token", e.Content, 2)
		if _, err := s.Tokens.Take(ctx, store.Claim{ID: e.Content, Secret: make([]byte, 32)}); err != nil {
			return err
		}
		fmt.Fprintln(out, "token", e.Content, 1)
		if i%10 == 0 {
			if err := s.Nodes.Put(ctx, store.Node{Fleet: me, Name: "0", Content: "none"}); err != nil {
				return err
			}
			if _, err := s.History.Prune(ctx, kept); err != nil {
				return err
			}
		}
	}
}

// rollOut opens a rollout in the place of the one that is open, and sets the states of both entries: four changes that are one.
func rollOut(ctx context.Context, s *store.Store, fleet string, entry int64, open []store.Rollout) (opened []store.Rollout, err error) {
	err = s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		for _, r := range open {
			r.State, r.Finished = "superseded", time.Now()
			_, err := s.Rollouts.Put(ctx, r)
			if err := errors.Join(err, s.History.SetState(ctx, r.Entry, "rolling", "superseded", "")); err != nil {
				return err
			}
		}
		if err := s.History.SetState(ctx, entry, "held", "rolling", ""); err != nil {
			return err
		}
		opened, err = s.Rollouts.Put(ctx, store.Rollout{Fleet: fleet, Entry: entry, State: "rolling"})
		return err
	})
	return opened, err
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

// derived is a configuration that is known by who made it and how manyeth it is.
func derived(by string, i int64) map[string][]byte {
	files := map[string][]byte{"same.yaml": []byte("kind: Gateway\n")}
	for f := range 8 {
		sum := sha256.Sum256(fmt.Append(nil, by, i, f))
		data := slices.Clone(sum[:])
		for len(data) < 4096 {
			sum = sha256.Sum256(sum[:])
			data = append(data, sum[:]...)
		}
		files[fmt.Sprint("file-", f)] = data
	}
	return files
}

// confirmed is what children have printed.
type confirmed struct {
	sync.Mutex
	entries       map[int64]string
	values, nodes map[string]int64
	tokens        map[string]int64
}

func (c *confirmed) note(line string) {
	c.Lock()
	defer c.Unlock()
	var kind, key string
	var number int64
	if strings.HasPrefix(line, "entry") {
		if _, err := fmt.Sscan(line, &kind, &number, &key); err == nil {
			c.entries[number] = key
		}
		return
	}
	if _, err := fmt.Sscan(line, &kind, &key, &number); err == nil {
		map[string]map[string]int64{"value": c.values, "nodes": c.nodes, "token": c.tokens}[kind][key] = number
	}
}

// TestKilled kills processes that write, one or two at a time, at any moment, also while they open the store. What they
// confirmed is there; what they did not is there whole or not at all.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := &confirmed{entries: map[int64]string{}, values: map[string]int64{}, nodes: map[string]int64{}, tokens: map[string]int64{}}
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		var group sync.WaitGroup
		for range 1 + round%2 {
			group.Go(func() { writeAndDie(t, dir, seen, round%3 > 0) })
		}
		group.Wait()
		examine(t, dir, seen)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if len(seen.entries) < rounds/2 || len(seen.tokens) == 0 || len(seen.nodes) == 0 {
		t.Errorf("only %d entries, %d tokens and %d batches of nodes were confirmed: the children die too early",
			len(seen.entries), len(seen.tokens), len(seen.nodes))
	}
	t.Logf("%d kills, %d confirmed entries, %d confirmed tokens", rounds*3/2, len(seen.entries), len(seen.tokens))
}

// writeAndDie starts a process that writes, kills it, and notes what it confirmed. It is killed at any moment after its start,
// or at any moment after its first confirmation.
func writeAndDie(t *testing.T, dir string, seen *confirmed, started bool) {
	ctx, kill := context.WithTimeout(t.Context(), time.Minute)
	defer kill()
	child := command(ctx, "writes", dir) // Killed with SIGKILL when the context ends.
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	moment := time.Duration(rand.Int64N(int64(300 * time.Millisecond)))
	if !started {
		time.AfterFunc(moment, kill)
	}
	lines := bufio.NewReader(out)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // A line that is not whole was not confirmed.
		}
		if first && started {
			time.AfterFunc(moment, kill)
		}
		seen.note(line)
	}
	if _ = child.Wait(); complaint.Len() > 0 {
		t.Errorf("a child failed: %s", complaint.String())
	}
}

func examine(t *testing.T, dir string, seen *confirmed) {
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Dir: dir}) // Looks for damage.
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = s.Close() }()
	for what, query := range map[string]string{
		"contents without entry":  "SELECT count(*) FROM contents WHERE id NOT IN (SELECT content FROM entries)",
		"files without content":   "SELECT count(*) FROM files WHERE hash NOT IN (SELECT file FROM content_files)",
		"rows that refer to none": "SELECT count(*) FROM pragma_foreign_key_check",
	} {
		if n, err := s.Count(ctx, query); err != nil || n != 0 {
			t.Errorf("%d %s: %v", n, what, err)
		}
	}
	entries, err := s.History.List(ctx, store.Query{Limit: 1000})
	if err != nil {
		t.Error(err)
	}
	examineRollouts(t, s, entries)
	found := map[int64]string{}
	for _, e := range entries {
		found[e.Number] = e.Content
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
	for name, want := range seen.values {
		if v, err := s.Observed.Get(ctx, "endpoints", name); err != nil || atLeast(string(v.Value)) < want {
			t.Errorf("value %s: %q, %d was confirmed: %v", name, v.Value, want, err)
		}
	}
	for fleet, want := range seen.nodes {
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
	uses := map[string]int64{}
	tokens, err := s.Tokens.List(ctx, "")
	if err != nil {
		t.Error(err)
	}
	for _, token := range tokens {
		uses[token.ID] = int64(token.Uses)
	}
	for id, want := range seen.tokens {
		if left, found := uses[id]; !found || left > want {
			t.Errorf("token %s: %d uses left (%v), %d was confirmed", id, left, found, want)
		}
	}
}

func atLeast(text string) (number int64) {
	_, _ = fmt.Sscan(text, &number)
	return number
}
