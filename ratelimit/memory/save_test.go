package memory_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/limiter/naive"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// clocked opens a store whose clock is another's.
func clocked(clock *storetest.Clock) *memory.Store {
	return memory.New(memory.Options{Clock: clock.Now})
}

// save saves a store, and load loads what was saved.
func save(t testing.TB, s *memory.Store, path string) memory.Saved {
	t.Helper()
	saved, err := s.Save(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func load(t testing.TB, s *memory.Store, path string) time.Duration {
	t.Helper()
	age, found, err := s.Load(path)
	if err != nil || !found {
		t.Fatalf("load: %v, %v", found, err)
	}
	return age
}

// kinds are windows of every kind that admit ten at once.
func kinds() map[string]limiter.Window {
	return map[string]limiter.Window{
		"sliding": {Limit: 10, Per: time.Hour},
		"slots":   {Limit: 1_000, Per: time.Hour},
		"paced":   {Kind: limiter.Paced, Limit: 60, Per: time.Hour, Burst: 10},
		"fixed":   {Kind: limiter.Fixed, Limit: 10, Per: time.Hour},
		"tokens":  {Kind: limiter.Tokens, Limit: 60, Per: time.Hour, Burst: 10},
		"quota":   {Kind: limiter.Quota, Limit: 10, Calendar: &limiter.Calendar{Every: limiter.Month, Anchor: 31}},
	}
}

// spendOf spends from a bucket.
func spendOf(t testing.TB, s *memory.Store, c ratelimit.Charge) (bool, limiter.Result) {
	t.Helper()
	var results [1]limiter.Result
	ok, err := s.Spend(t.Context(), []ratelimit.Charge{c}, results[:])
	if err != nil {
		t.Fatal(err)
	}
	return ok, results[0]
}

// TestSave brings buckets of all kinds through a file into another process, some time later.
func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	from, clock := open(0)
	for name, w := range kinds() {
		spendOf(t, from, ratelimit.Charge{Key: []byte(name), Window: w, Cost: 7})
		spendOf(t, from, ratelimit.Charge{Key: []byte("granted " + name), Window: w, Cost: -5, Grant: true})
		spendOf(t, from, ratelimit.Charge{Key: []byte("given back " + name), Window: w, Cost: 7})
		spendOf(t, from, ratelimit.Charge{Key: []byte("given back " + name), Window: w, Cost: -7})
	}
	saved := save(t, from, path)
	if saved.Buckets != 2*len(kinds()) || saved.Unchanged || saved.LeftOut > 0 {
		t.Errorf("%+v", saved)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != saved.Bytes {
		t.Errorf("%v, %+v", info.Size(), saved)
	}
	if again := save(t, from, path); !again.Unchanged {
		t.Errorf("nothing was spent, and %+v", again)
	}
	clock.Advance(3*time.Minute + time.Second)
	to := clocked(clock)
	if age := load(t, to, path); age != 3*time.Minute+time.Second {
		t.Errorf("the file is %v old", age)
	}
	for name, w := range kinds() {
		want := w.Most() - 7
		if w.Kind == limiter.Paced || w.Kind == limiter.Tokens {
			want += 3 // One a minute.
		}
		if _, r := spendOf(t, to, ratelimit.Charge{Key: []byte(name), Window: w}); r.Remaining != want {
			t.Errorf("%s: %d remain, want %d", name, r.Remaining, want)
		}
		if _, r := spendOf(t, to, ratelimit.Charge{Key: []byte("granted " + name), Window: w}); r.Remaining != w.Most()+5 {
			t.Errorf("%s: %d remain of limit and grant", name, r.Remaining)
		}
	}
	clock.Advance(57 * time.Minute)
	late := clocked(clock)
	load(t, late, path)
	if n := late.Buckets(); n != 2 {
		t.Errorf("an hour later %d buckets are taken up, want those of the quota", n)
	}
	if _, found, err := late.Load(path + "x"); found || err != nil {
		t.Errorf("a file that is not there: %v, %v", found, err)
	}
}

// TestSaveNeverLate spends at random before and after a restart, with some spending that the file does not know: all that
// it knows counts as if nothing had been.
func TestSaveNeverLate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		path := filepath.Join(dir, "buckets")
		from, clock := open(0)
		names := []string{"sliding", "paced", "fixed", "tokens", "quota"}
		name := rapid.SampledFrom(names).Draw(r, "kind")
		model := naive.Bucket{Window: kinds()[name]}
		some := func(s *memory.Store) {
			for range rapid.IntRange(0, 20).Draw(r, "calls") {
				clock.Advance(time.Duration(rapid.IntRange(0, 600).Draw(r, "wait")) * time.Second)
				now := time.Duration(clock.Now().UnixNano())
				cost := rapid.Int64Range(1, 4).Draw(r, "cost")
				ok, _ := spendOf(t, s, ratelimit.Charge{Key: []byte("key"), Window: model.Window, Cost: cost})
				exact := name == "sliding" || model.Window.Kind.Aligned()
				if should := model.Remaining(now) >= cost; ok && !should || !ok && should && (exact || model.Remaining(now) > cost) {
					r.Fatalf("%s: %d admitted %v while %d remain", name, cost, ok, model.Remaining(now))
				}
				if ok {
					model.Spend(now, cost)
				}
			}
		}
		some(from)
		if _, err := from.Save(path, 0); err != nil {
			r.Fatal(err)
		}
		clock.Advance(time.Duration(rapid.IntRange(0, 5000).Draw(r, "away")) * time.Second)
		to := clocked(clock)
		if from.Buckets() > 0 {
			if _, _, err := to.Load(path); err != nil {
				r.Fatal(err)
			}
		}
		some(to)
		_ = os.Remove(path)
	})
}

// TestSaveIsBounded saves more than the file has room for: who came back stays.
func TestSaveIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	from, clock := open(0)
	w := limiter.Window{Limit: 10, Per: time.Hour}
	const all, customers, most = 50_000, 1_000, 200_000
	for i := range all {
		spend(t, from, fmt.Sprint(i), w)
		if i%(all/customers) == 0 {
			spend(t, from, fmt.Sprint(i), w)
		}
	}
	saved, err := from.Save(path, most)
	if err != nil || saved.Bytes > most || saved.LeftOut == 0 || saved.LeftOut+saved.Buckets != all {
		t.Fatalf("%+v, %v", saved, err)
	}
	to := clocked(clock)
	load(t, to, path)
	for i := 0; i < all; i += all / customers {
		if _, r := spend(t, to, fmt.Sprint(i), w); r.Remaining != 7 {
			t.Fatalf("customer %d has %d left, want 7", i, r.Remaining)
		}
	}
}

// TestSaveWhileSpending saves again and again while buckets come and go: every bucket that was there all the while is in the
// file.
func TestSaveWhileSpending(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	from, clock := open(64 * 1_000)
	month := limiter.Window{Kind: limiter.Quota, Limit: 1_000, Calendar: &limiter.Calendar{Every: limiter.Month}}
	for i := range 2_000 {
		for range 2 {
			spend(t, from, fmt.Sprint("customer ", i), month)
		}
	}
	var group sync.WaitGroup
	done := make(chan struct{})
	for worker := range 2 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				charge := []ratelimit.Charge{{Key: fmt.Append(nil, worker, i), Window: limiter.Window{Limit: 5, Per: time.Second}, Cost: 1}}
				if _, err := from.Spend(t.Context(), charge, make([]limiter.Result, 1)); err != nil {
					t.Error(err)
					return
				}
				if i%1_000 == 0 {
					clock.Advance(time.Second)
				}
			}
		})
	}
	for range 10 {
		save(t, from, path)
		to := clocked(clock)
		load(t, to, path)
		for i := range 2_000 {
			if _, r := spend(t, to, fmt.Sprint("customer ", i), month); r.Remaining != 997 {
				t.Fatalf("customer %d has %d left, want 997", i, r.Remaining)
			}
		}
	}
	close(done)
	group.Wait()
}

// TestSaveAfterSeal holds that who has handed over does not write over what the successor writes.
func TestSaveAfterSeal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	s, _ := open(0)
	spend(t, s, "key", limiter.Window{Limit: 5, Per: time.Hour})
	s.Seal()
	if saved := save(t, s, path); !saved.Unchanged {
		t.Errorf("%+v after Seal", saved)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a sealed store has written a file")
	}
	s.Unseal()
	if saved := save(t, s, path); saved.Buckets != 1 {
		t.Errorf("%+v after Unseal", saved)
	}
}

// TestSaveFails holds that what could not be written is written the next time, and that the former file stays.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "buckets")
	s, _ := open(0)
	spend(t, s, "key", limiter.Window{Limit: 5, Per: time.Hour})
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(path, 0); err == nil {
		t.Fatal("saved into a directory")
	}
	if err := os.Remove(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if saved := save(t, s, path); saved.Buckets != 1 {
		t.Errorf("after a failure %+v", saved)
	}
}

// TestLoadRefuses gives files that are cut, changed in any byte, or something else: nothing is taken, and nothing panics.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	from, _ := open(0)
	for name, w := range kinds() {
		spend(t, from, name, w)
	}
	save(t, from, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		to, _ := open(0)
		if _, _, err := to.Load(path); !errors.Is(err, memory.ErrFile) || to.Buckets() > 0 {
			t.Errorf("%s: %v, %d buckets", what, err, to.Buckets())
		}
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 0x41
		refused(fmt.Sprint("changed at ", i), changed)
		refused(fmt.Sprint("cut at ", i), whole[:i])
	}
	refused("longer", append(bytes.Clone(whole), 0))
}

// TestKeys holds that no key stands in the file.
func TestKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "buckets")
	s, _ := open(0)
	spend(t, s, "sk_live_invented_secret", limiter.Window{Limit: 5, Per: time.Hour})
	save(t, s, path)
	if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte("secret")) {
		t.Errorf("a key stands in the file: %q, %v", text, err)
	}
}

func FuzzLoad(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	from, _ := open(0)
	for name, w := range kinds() {
		spend(f, from, name, w)
	}
	save(f, from, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-sha256.Size])
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "buckets")
		sum := sha256.Sum256(text) // Always right: what else is wrong must be found out.
		if err := os.WriteFile(path, append(text, sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		to, _ := open(64)
		if _, found, err := to.Load(path); err == nil && found {
			for name, w := range kinds() {
				spend(t, to, name, w)
			}
		}
	})
}

// BenchmarkSave saves a full store, and loads it.
func BenchmarkSave(b *testing.B) {
	for name, times := range map[string]int{"one moment": 1, "32 moments": limiter.Entries} {
		from, clock := open(0)
		for range times {
			clock.Advance(time.Second)
			for i := range memory.DefaultBuckets * 9 / 10 {
				spend(b, from, fmt.Sprint(i), limiter.Window{Limit: limiter.Entries, Per: time.Hour})
			}
		}
		path := filepath.Join(b.TempDir(), "buckets")
		var saved memory.Saved
		b.Run("save "+name, func(b *testing.B) {
			for b.Loop() {
				spend(b, from, "again", limiter.Window{Limit: 1 << 40, Per: time.Hour})
				saved = save(b, from, path)
			}
			b.ReportMetric(float64(saved.Bytes)/float64(saved.Buckets), "bytes/bucket")
			b.ReportMetric(float64(saved.LeftOut), "left-out")
		})
		b.Run("load "+name, func(b *testing.B) {
			for b.Loop() {
				load(b, clocked(clock), path)
			}
		})
	}
}
