package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/store/storetest"
)

// TestKilledOnPostgres kills processes that write to PostgreSQL.
func TestKilledOnPostgres(t *testing.T) {
	t.Parallel()
	killed(t, cluster.For(t).Database(), 12)
}

// TestPostgresKilled kills PostgreSQL itself while two processes write: what was confirmed is there when it is back.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	server := needs.Postgres(t)
	place := server.Database()
	seen := newConfirmed()
	times := rounds(t, 4)
	for round := range times {
		var group sync.WaitGroup
		writing, dead := make(chan struct{}, 4), make(chan struct{})
		for range 2 {
			group.Go(func() { writeUntilAway(t, place, seen, max(1, confirmations(round)), writing) })
		}
		<-writing
		time.AfterFunc(time.Duration(rand.Int64N(int64(50*time.Millisecond))), func() { // Any moment will do.
			server.Kill()
			close(dead)
		})
		<-dead
		group.Wait()
		server.Start()
		examine(t, place, seen)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	seen.enough(t, times)
	t.Logf("%d kills, %d confirmed entries", times, len(seen.entries))
}

// writeUntilAway starts a process that writes, and notes what it confirmed until the store is away.
func writeUntilAway(t *testing.T, place string, seen *confirmed, after int, writing chan<- struct{}) {
	ctx, kill := context.WithTimeout(t.Context(), time.Minute)
	defer kill()
	defer func() { writing <- struct{}{} }() // Where it has failed, nobody needs to wait for it.
	child := command(ctx, "writes", place)
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
	lines := bufio.NewReader(out)
	for read := 1; ; read++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		if read == after {
			writing <- struct{}{}
		}
		seen.note(line)
	}
	if _ = child.Wait(); !strings.Contains(complaint.String(), store.ErrAway.Error()) {
		t.Errorf("a child ended otherwise than by the store being away: %s", complaint.String())
	}
}

// loadOnce loads the dump beside a place into the store there, and says so.
func loadOnce(ctx context.Context, out io.Writer, place string) error {
	dump, place, _ := strings.Cut(place, "|")
	file, err := os.Open(dump)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, at(place))
	if err == nil {
		fmt.Fprintln(out, "begins")
		err = s.Load(ctx, file)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "loaded")
	return nil
}

// TestKilledWhileLoading kills a process that loads a dump: the store is empty then, or has all of it.
func TestKilledWhileLoading(t *testing.T) {
	t.Parallel()
	from := open(t, store.Options{Dir: t.TempDir()})
	storetest.Fill(t, from)
	for i := range 30 {
		addEntry(t, from, fmt.Sprint("more-", i))
	}
	var want bytes.Buffer
	path := filepath.Join(t.TempDir(), "all.jsonl")
	if err := errors.Join(from.Dump(t.Context(), &want), from.DumpTo(t.Context(), path)); err != nil {
		t.Fatal(err)
	}
	schemas := newSchemas(t)
	whole, empty := 0, 0
	for range rounds(t, 8) {
		for _, place := range []string{t.TempDir(), schemas.place()} {
			loadAndDie(t, path+"|"+place)
			s := open(t, at(place))
			var got bytes.Buffer
			if err := s.Dump(t.Context(), &got); err != nil {
				t.Fatal(err)
			}
			switch rows := strings.Count(got.String(), `{"row":`); {
			case rows == 0:
				empty++
			case got.String() == want.String():
				whole++
			default:
				t.Errorf("%d rows are in the store, of %d", rows, strings.Count(want.String(), `{"row":`))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d times nothing, %d times all", empty, whole)
}

// loadAndDie kills a process at any moment after it began to load.
func loadAndDie(t *testing.T, place string) {
	t.Helper()
	ctx, kill := context.WithTimeout(t.Context(), time.Minute)
	defer kill()
	child := command(ctx, "loads", place)
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("the child ended before it began: %v", err)
	}
	time.AfterFunc(time.Duration(rand.Int64N(int64(250*time.Millisecond))), kill)
	_, _ = io.Copy(io.Discard, lines)
	_ = child.Wait()
}
