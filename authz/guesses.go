package authz

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// How guessing is told from mistakes, and what becomes of it. A client that repeats one wrong key is misconfigured, and guesses
// nothing: only different ones count.
const (
	// guessesAddress is how many different wrong keys or tokens one address may show, and guessEvery how soon it may show one more.
	guessesAddress = 10
	guessEvery     = 6 * time.Second
	// guessesKey is how many different wrong secrets of one key may be shown, from whichever addresses, before the next one locks
	// its address at once.
	guessesKey = 50
	// firstLock is how long an address is locked out, doubled from time to time up to longestLock.
	firstLock   = time.Minute
	longestLock = 15 * time.Minute
	// heldAddresses, heldKeys and heldPairs bound what is remembered.
	heldAddresses = 1 << 16
	heldKeys      = 1 << 14
	heldPairs     = 1 << 16
	// recentGuesses is how many wrong ones of an address are told apart.
	recentGuesses = 8
)

// guesses knows from where and at which keys it is guessed. A key that proved good from an address goes on to be good from there
// whatever else comes from that address; and no guessing at a key locks out who has it: it locks the addresses that guess.
type guesses struct {
	now       func() time.Time
	tally     *tally
	seed      maphash.Seed
	addresses *otter.Cache[netip.Addr, *guesser]
	keys      *otter.Cache[string, *guesser]
	pairs     *otter.Cache[pair, struct{}]
}

// pair is a key that proved good from an address.
type pair struct {
	from netip.Addr
	key  string
}

// guesser is what is remembered of an address, or of a key that is guessed at.
type guesser struct {
	mu     sync.Mutex
	level  float64 // Of wrong ones, falling by one each guessEvery.
	at     time.Time
	recent []uint64
	lock   time.Duration // The last one.
	until  time.Time     // Of the lock.
}

func newGuesses(now func() time.Time, n *tally) *guesses {
	// No options are given that could be refused.
	return &guesses{
		now: now, tally: n, seed: maphash.MakeSeed(),
		addresses: otter.Must(&otter.Options[netip.Addr, *guesser]{MaximumSize: heldAddresses}),
		keys:      otter.Must(&otter.Options[string, *guesser]{MaximumSize: heldKeys}),
		pairs:     otter.Must(&otter.Options[pair, struct{}]{MaximumSize: heldPairs}),
	}
}

// blockOf returns the addresses that one client has as it likes: one of IPv4, and 64 bits of IPv6.
func blockOf(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	block, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return block.Addr()
}

// locked returns a failure where an address is locked out.
func (g *guesses) locked(from netip.Addr) *failure {
	who, ok := g.addresses.GetIfPresent(blockOf(from))
	if !ok || !from.IsValid() {
		return nil
	}
	now := g.now()
	who.mu.Lock()
	left := who.until.Sub(now)
	if left > who.lock+who.lock { // The clock has gone back.
		who.until, left = now, 0
	}
	who.mu.Unlock()
	if left <= 0 {
		return nil
	}
	g.tally.lockedOut.Add(1)
	return &failure{
		verdict: guessedMuch, reason: "guessing", wait: int((left + time.Second - 1) / time.Second),
		detail: "Too many different wrong keys or tokens came from this address.",
	}
}

// right notes that a key is good, and returns a failure where it comes from an address that is locked out and is not known from
// there.
func (g *guesses) right(from netip.Addr, key string) *failure {
	if !from.IsValid() {
		return nil
	}
	known := pair{blockOf(from), key}
	if _, ok := g.pairs.GetIfPresent(known); ok {
		return nil
	}
	if f := g.locked(from); f != nil {
		return f
	}
	known.key = string([]byte(key)) // It shares the memory of the request.
	g.pairs.Set(known, struct{}{})
	return nil
}

// wrong notes that a key or token is not good; key is the id of the key that it could be, "" for none. It returns a failure
// where the address was locked out before.
func (g *guesses) wrong(from netip.Addr, key, text string) *failure {
	if !from.IsValid() {
		return nil
	}
	if f := g.locked(from); f != nil {
		return f
	}
	now, hash := g.now(), maphash.String(g.seed, text)
	who, _ := g.addresses.ComputeIfAbsent(blockOf(from), func() (*guesser, bool) { return &guesser{at: now}, false })
	most := float64(guessesAddress)
	if key != "" {
		at, _ := g.keys.ComputeIfAbsent(string([]byte(key)), func() (*guesser, bool) { return &guesser{at: now}, false })
		if at.add(now, hash) > guessesKey {
			most = 1
		}
	}
	before := who.seen(hash)
	level := who.add(now, hash)
	if before {
		return nil
	}
	g.tally.wrongGuesses.Add(1)
	if level >= most {
		who.shut(now)
	}
	return nil
}

// seen reports whether something wrong was shown not long ago.
func (w *guesser) seen(hash uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.recent, hash)
}

// add notes something wrong, where it is new, and returns the level.
func (w *guesser) add(now time.Time, hash uint64) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if passed := now.Sub(w.at); passed > 0 {
		w.level = max(0, w.level-float64(passed)/float64(guessEvery))
	}
	w.at = now
	if slices.Contains(w.recent, hash) {
		return w.level
	}
	if len(w.recent) == recentGuesses {
		w.recent = slices.Delete(w.recent, 0, 1)
	}
	w.recent = append(w.recent, hash)
	w.level++
	return w.level
}

// shut locks out, twice as long as the last time where that is not long ago.
func (w *guesser) shut(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.until) > longestLock {
		w.lock = 0
	}
	w.lock = min(max(2*w.lock, firstLock), longestLock)
	w.until, w.level, w.recent = now.Add(w.lock), 0, w.recent[:0]
}
