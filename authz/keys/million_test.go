package keys_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz/keys"
)

// many is how many keys are held with bounded cost.
const many = 1_000_000

// budget is what they may take, in bytes.
const budget = 250 << 20

// fill returns a table with many keys, the texts of some, and how much memory it takes.
func fill(t testing.TB, perApplication int) (*keys.Table, []string, uint64) {
	t.Helper()
	before := live()
	table := keys.New(make([]byte, 32), time.Now)
	var texts []string
	for i := range many {
		if i%perApplication == 0 {
			table.PutApplication(fmt.Sprintf("application-%d", i/perApplication), "", false)
		}
		id, secret := keys.Fresh()
		row := keys.Row{ID: id, Hash: table.Hash(secret), Application: fmt.Sprintf("application-%d", i/perApplication), Scopes: []string{"payments:read", fmt.Sprint("scope-", i%50)}}
		if err := table.Put(row); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			texts = append(texts, keys.Text(id, secret))
		}
	}
	return table, texts, live() - before
}

func live() uint64 {
	for range 2 { // What pools hold goes with the second.
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAMillionKeysStayWithinTheirMemory runs alone: it looks at the memory of the whole process.
func TestAMillionKeysStayWithinTheirMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million keys take seconds")
	}
	table, texts, took := fill(t, 1) // The dearest: as many applications as keys.
	t.Logf("%d keys: %d MiB", table.Len(), took>>20)
	if table.Len() != many || took > budget {
		t.Errorf("%d keys take %d MiB, want at most %d", table.Len(), took>>20, budget>>20)
	}
	for _, text := range texts {
		if _, err := table.Find(text); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkFindAmongAMillion(b *testing.B) {
	table, texts, _ := fill(b, 3)
	_, unknown := keys.Fresh()
	id, _ := keys.Fresh()
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := table.Find(texts[i%len(texts)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		text := keys.Text(id, unknown)
		for b.Loop() {
			_, _ = table.Find(text)
		}
	})
	b.Run("malformed", func(b *testing.B) {
		b.ReportAllocs()
		text := texts[0] + "a"
		for b.Loop() {
			_, _ = table.Find(text)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				_, _ = table.Find(texts[i%len(texts)])
			}
		})
	})
}
