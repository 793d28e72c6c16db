package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// confirmed is what children have printed.
type confirmed struct {
	sync.Mutex
	entries map[int64]string
	numbers map[string]map[string]int64 // By kind and name.
}

func newConfirmed() *confirmed {
	seen := &confirmed{entries: map[int64]string{}, numbers: map[string]map[string]int64{}}
	for kind := range strings.FieldsSeq("value nodes token lease beat secret meta access audit issued usage account") {
		seen.numbers[kind] = map[string]int64{}
	}
	return seen
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
		c.numbers[kind][key] = number
	}
}

// rounds is how often something is killed: 200 times where there is time for it.
func rounds(t *testing.T, few int) int {
	t.Helper()
	switch {
	case os.Getenv("GATEHOUSE_LONG") != "":
		return 200
	case testing.Short():
		return 4
	}
	return few
}

// TestKilled kills processes that write, one or two at a time, at any moment, also while they open the store. What they
// confirmed is there; what they did not is there whole or not at all.
func TestKilled(t *testing.T) {
	t.Parallel()
	killed(t, t.TempDir(), 16)
}

// killed is the test over one place.
func killed(t *testing.T, place string, few int) {
	t.Helper()
	seen := newConfirmed()
	times, kills := rounds(t, few), 0
	for round := range times {
		var group sync.WaitGroup
		for range 1 + round%2 {
			kills++
			group.Go(func() { writeAndDie(t, place, seen, confirmations(round)) })
		}
		group.Wait()
		examine(t, place, seen)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	seen.enough(t, times)
	t.Logf("%d kills, %d confirmed entries, %d confirmed tokens", kills, len(seen.entries), len(seen.numbers["token"]))
}

// enough checks that enough was confirmed for the test to mean something.
func (c *confirmed) enough(t *testing.T, rounds int) {
	t.Helper()
	for kind, numbers := range c.numbers {
		if len(numbers) == 0 {
			t.Errorf("no %s was confirmed: the children die too early", kind)
		}
	}
	if len(c.entries) < rounds/2 {
		t.Errorf("only %d entries were confirmed in %d rounds: the children die too early", len(c.entries), rounds)
	}
}

// confirmations is after how many of them a process is killed, counted rather than timed, as machines may be slow: in the first
// round every kind was confirmed by then; in every third it is 0, and the process may not have begun.
func confirmations(round int) int {
	switch {
	case round == 0:
		return 40
	case round%3 == 0:
		return 0
	}
	return 1 + rand.IntN(40)
}

// writeAndDie starts a process that writes, kills it, and notes what it confirmed. It is killed at any moment after it confirmed
// so much.
func writeAndDie(t *testing.T, place string, seen *confirmed, after int) {
	ctx, kill := context.WithTimeout(t.Context(), time.Minute)
	defer kill()
	child := command(ctx, "writes", place) // Killed with SIGKILL when the context ends.
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
	moment := time.Duration(rand.Int64N(int64(50 * time.Millisecond)))
	if after == 0 {
		time.AfterFunc(6*moment, kill)
	}
	lines := bufio.NewReader(out)
	for read := 1; ; read++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // A line that is not whole was not confirmed.
		}
		if read == after {
			time.AfterFunc(moment, kill)
		}
		seen.note(line)
	}
	if _ = child.Wait(); complaint.Len() > 0 {
		t.Errorf("a child failed: %s", complaint.String())
	}
}
