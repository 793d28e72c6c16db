package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"

	"github.com/gatehouse/gatehouse/authz/keys"
)

const (
	// keyCount is how many API keys are held, keysEach how many of them one application has, and keyScopes of how many sets of
	// scopes each has one.
	keyCount  = 1_000_000
	keysEach  = 3
	keyScopes = 50
	// keyLeast is what any table must keep of a key: its id and the hash of its secret, in bytes.
	keyLeast = 10 + 32
	// keyMemory and keyLookup are the targets: in MiB, and in nanoseconds.
	keyMemory = 250
	keyLookup = 1000
)

// apiKeys measures what a million API keys cost: the memory that they stay in, and a lookup. The floors are the bytes of ids and
// hashes alone, and one HMAC-SHA-256 by the standard library, which a lookup must compute.
func (b *bench) apiKeys(ctx context.Context) error {
	before := liveHeap()
	table := keys.New(make([]byte, sha256.Size), time.Now)
	texts := make([]string, 0, keyCount/1000)
	for i := range keyCount {
		id, secret := keys.Fresh()
		app := fmt.Sprintf("application-%d", i/keysEach)
		table.PutApplication(app, "", false)
		row := keys.Row{ID: id, Hash: table.Hash(secret), Application: app, Scopes: []string{"payments:read", fmt.Sprint("scope-", i%keyScopes)}}
		if err := table.Put(row); err != nil {
			return err
		}
		if len(texts) < cap(texts) && i%1000 == 0 {
			texts = append(texts, keys.Text(id, secret))
		}
	}
	took := float64(liveHeap()-before) / (1 << 20)
	what := fmt.Sprintf("%s API keys of %s applications: ", grouped(keyCount), grouped(keyCount/keysEach))
	b.table.compare(what+"memory", "MiB", []float64{took}, []float64{float64(keyCount*keyLeast) / (1 << 20)}, target{bound: keyMemory, unit: "MiB", value: took})

	var ours, floor []float64
	mac, sum := hmac.New(sha256.New, make([]byte, sha256.Size)), make([]byte, 0, sha256.Size)
	secret := []byte(texts[0][len(texts[0])-52:])
	for range b.turns {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		one, err := each(b.calls/4, func(i int) error {
			_, err := table.Find(texts[i%len(texts)])
			return err
		})
		if err != nil {
			return fmt.Errorf("a key that was put is not found: %w", err)
		}
		least, err := each(b.calls/4, func(int) error {
			mac.Reset()
			mac.Write(secret)
			sum = mac.Sum(sum[:0])
			return nil
		})
		if err != nil {
			return err
		}
		ours, floor = append(ours, one), append(floor, least)
	}
	b.table.compare(what+"one lookup", "ns", ours, floor, target{bound: keyLookup, unit: "ns", value: spreadOf(ours).median})
	return nil
}

// each calls again and again for a while, and returns how many nanoseconds one call took.
func each(span time.Duration, call func(i int) error) (float64, error) {
	begun, calls := time.Now(), 0
	for time.Since(begun) < span {
		for range 1000 {
			if err := call(calls); err != nil {
				return 0, err
			}
			calls++
		}
	}
	return float64(time.Since(begun).Nanoseconds()) / float64(calls), nil
}

// liveHeap is how many bytes are in use that nobody can let go.
func liveHeap() uint64 {
	for range 2 { // What pools hold goes with the second.
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
