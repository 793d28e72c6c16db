package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Most is how many credentials a Table takes.
	Most = 4 << 20
	// usedEvery is how exactly the last use of a key is told, in seconds.
	usedEvery = 300
	shards    = 256
)

// Table holds all credentials, and finds one by the text of a key. All its methods may be called at once: rows are spread over
// shards, and who reads one waits only for a change of that shard.
type Table struct {
	now    func() time.Time
	hashes sync.Pool // Of *hashing.
	shards [shards]shard
	names  names
	held   atomic.Int64
}

// shard holds the credentials whose ids begin with one byte. Ids are random, so shards are of about one size.
type shard struct {
	mu    sync.RWMutex
	where index
	rows  []row
	free  []uint32 // Rows that hold nothing.

	usedMu sync.Mutex
	used   map[packed]time.Time // Uses that were not told yet.
}

// row is a credential in memory.
type row struct {
	facts

	id   packed
	used uint32 // In seconds since 1970, rounded down to usedEvery; changed while the shard is locked for reading, and so alone.
}

// facts are what is known of a credential.
type facts struct {
	app     *application
	terms   *terms
	hash    Hash
	ends    uint32 // When it expires, or was revoked, in seconds since 1970, rounded up; 0 for never.
	revoked bool
}

// hashing is what hashes secrets by the key.
type hashing struct {
	hash.Hash

	secret [secretText]byte
	sum    [sha256.Size]byte
}

// New returns an empty Table for secrets that are hashed by a key. The clock says when keys expire and were used.
func New(hmacKey []byte, now func() time.Time) *Table {
	key := append([]byte(nil), hmacKey...)
	t := &Table{now: now}
	t.hashes.New = func() any { return &hashing{Hash: hmac.New(sha256.New, key)} }
	t.names.applications = map[string]*application{}
	t.names.terms = map[string]*terms{}
	return t
}

// Len returns how many credentials the Table holds, with those that are revoked.
func (t *Table) Len() int { return int(t.held.Load()) }

// Find returns the Key of a text, or ErrMalformed, ErrUnknown, ErrRevoked or ErrExpired. How long it takes tells nothing about a
// text of the right form: neither whether there is such an id, nor how much of the secret is right. The errors behind ErrUnknown
// are for texts whose secret is right. Addresses are not judged: see Key.Counts.
func (t *Table) Find(text string) (Key, error) {
	key, named, secret, err := parse(text)
	if err != nil {
		return Key{}, err
	}
	h := t.hashes.Get().(*hashing) //nolint:forcetypeassert // The pool holds nothing else.
	copy(h.secret[:], secret)
	h.Reset()
	h.Write(h.secret[:])
	h.Sum(h.sum[:0])
	clear(h.secret[:])
	now := t.now().Unix()

	s := t.shard(key)
	s.mu.RLock()
	var found facts
	at, known := s.where.find(s.rows, key)
	if known {
		found = s.rows[at].facts
	}
	same := subtle.ConstantTimeCompare(h.sum[:], found.hash[:]) == 1
	first := known && same && s.firstUse(at, now)
	s.mu.RUnlock()
	t.hashes.Put(h)
	switch {
	case !known || !same:
		return Key{}, ErrUnknown
	case found.revoked || found.app.revoked.Load():
		return Key{}, ErrRevoked
	case found.ends != 0 && now >= int64(found.ends):
		return Key{}, ErrExpired
	}
	if first {
		s.noteUse(key, now)
	}
	return found.key(named), nil
}

// key is a credential as it is told.
func (f facts) key(named string) Key {
	k := Key{ID: named, Application: f.app.id, Scopes: f.terms.scopes, Addresses: f.terms.addresses}
	if plan := f.app.plan.Load(); plan != nil {
		k.General = *plan
	}
	if all := f.app.subscriptions.Load(); all != nil {
		k.Subscriptions = *all
	}
	if f.ends != 0 {
		k.Expires = time.Unix(int64(f.ends), 0).UTC()
	}
	return k
}

// Put takes in a credential, or what has changed of it. It returns ErrMalformed for an id of another form, and ErrFull. It counts
// once its application was put, too.
func (t *Table) Put(one Row) error {
	key, ok := pack(one.ID)
	if !ok {
		return fmt.Errorf("credential %s: %w", one.ID, ErrMalformed)
	}
	fresh := row{id: key, facts: facts{hash: one.Hash, ends: seconds(one.Expires)}}
	if !one.Revoked.IsZero() {
		fresh.revoked, fresh.ends = true, seconds(one.Revoked)
	}
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.where.find(s.rows, key)
	if !known && t.held.Add(1) > Most {
		t.held.Add(-1)
		return ErrFull
	}
	fresh.app, fresh.terms = t.names.hold(one.Application, one.Scopes, one.Addresses)
	switch {
	case known:
		t.names.let(s.rows[at].app, s.rows[at].terms)
		fresh.used = s.rows[at].used
	case len(s.free) > 0:
		at = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	default:
		at = uint32(len(s.rows)) //nolint:gosec // Most fits.
		s.rows = append(s.rows, row{})
	}
	s.rows[at] = fresh
	if !known {
		s.where.put(s.rows, at)
	}
	return nil
}

// Remove forgets a credential. One that is not there is no error.
func (t *Table) Remove(id string) {
	key, ok := pack(id)
	if !ok {
		return
	}
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, known := s.where.find(s.rows, key); known {
		t.drop(s, at)
	}
}

// drop forgets a row of a shard that is locked.
func (t *Table) drop(s *shard, at uint32) {
	t.names.let(s.rows[at].app, s.rows[at].terms)
	s.where.remove(s.rows, s.rows[at].id)
	s.rows[at], s.free = row{}, append(s.free, at)
	t.held.Add(-1)
}

// Forget forgets the credentials that expired or were revoked before a time, and returns how many: nobody needs to tell them apart
// from those that never were for ever.
func (t *Table) Forget(before time.Time) (gone int) {
	for i := range t.shards {
		gone += t.forget(&t.shards[i], seconds(before))
	}
	return gone
}

func (t *Table) forget(s *shard, before uint32) (gone int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.rows {
		if r := &s.rows[at]; r.app != nil && r.ends != 0 && r.ends < before {
			t.drop(s, uint32(at)) //nolint:gosec // Most fits.
			gone++
		}
	}
	return gone
}

// PutApplication takes in an application with its plan, or that it is revoked: then none of its keys counts.
func (t *Table) PutApplication(id, plan string, revoked bool) { t.names.put(id, plan, revoked) }

// Subscribe takes in a subscription of an application. Unsubscribe forgets it.
func (t *Table) Subscribe(application string, one Subscription) {
	t.names.subscribe(application, one, false)
}

// Unsubscribe forgets a subscription. One that is not there is no error.
func (t *Table) Unsubscribe(application, id string) {
	t.names.subscribe(application, Subscription{ID: id}, true)
}

// Hash returns what is kept of a secret, as the Table compares it.
func (t *Table) Hash(secret string) (sum Hash) {
	h := t.hashes.Get().(*hashing) //nolint:forcetypeassert // The pool holds nothing else.
	defer t.hashes.Put(h)
	h.Reset()
	h.Write([]byte(secret))
	h.Sum(sum[:0])
	return sum
}

func (t *Table) shard(key packed) *shard { return &t.shards[binary.BigEndian.Uint16(key[:])%shards] }

// seconds is a time in seconds since 1970, rounded up; 0 for the zero time. What is beyond the range ends at its border, in 2106.
func seconds(at time.Time) uint32 {
	if at.IsZero() {
		return 0
	}
	s := at.Add(time.Second - 1).Unix()
	return uint32(min(max(s, 1), math.MaxUint32)) //nolint:gosec // Within the range.
}
