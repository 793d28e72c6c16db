package store

import (
	"context"
	"slices"
	"sync"
)

// Notice says that something of the store was changed, by this process or another. The zero Notice says that anything may have
// been: after a connection was lost, or where more was changed than is told one by one.
type Notice struct {
	Concern string // A word of the Concern constants; "" for any.
	Key     string // Which of them: an entry's number, a fleet, kind/name of what is observed, a name or an id; "" for any.
}

// The concerns that notices name.
const (
	ConcernHistory   = "history"   // Key is the entry's number.
	ConcernNodes     = "nodes"     // Key is the fleet.
	ConcernRollouts  = "rollouts"  // Key is the fleet.
	ConcernObserved  = "observed"  // Key is kind/name.
	ConcernTokens    = "tokens"    // Key is the token's id.
	ConcernAuthority = "authority" // Key is the authority's id, or "".
	ConcernMeta      = "meta"      // Key is the name.
	ConcernLeases    = "leases"    // Key is the lease's name. Renewals are not told.
	ConcernReplicas  = "replicas"  // Key is the replica's id. Only a new one, one that left and changed addresses are told.
	ConcernSecrets   = "secrets"   // Key is the secret's name.
	// ConcernCertificates tells of revocations, and of new certificates of nodes that have some. Key is fleet/node.
	ConcernCertificates = "certificates"
	ConcernQuestions    = "questions" // Key is the question's id.
	ConcernAccounts     = "accounts"  // Key is application, credential or subscription, a slash and the id.
)

// maxPending is how many notices wait for a watcher that is slow, before they become one that says anything.
const maxPending = 256

// hub hands notices to those who watch. It follows the database only while somebody does.
type hub struct {
	mu       sync.Mutex
	seen     int64 // The number of the last change that was told.
	watchers map[*watcher]struct{}
	start    func(ctx context.Context) // Follows the database until the context ends.
	stop     context.CancelFunc        // Nil while nobody watches.
	group    sync.WaitGroup
	closed   bool
	ready    bool // Whether the database is followed: what changes from now on will be told.
	local    bool // Whether the database does not tell a process what it changed itself.
}

// watcher is one who watches.
type watcher struct {
	pending []Notice // Guarded by the hub's mu.
	wake    chan struct{}
	out     chan Notice
	end     context.CancelFunc
}

// Watch tells of every change of the store, in the order in which they were made, until the context ends or the store is
// closed; then the channel is closed. The first notice is the zero one, and
// comes when changes are seen: what was changed before is for the caller to read. A
// notice says only that there is something to read; several changes of one thing may be told once. Changes by other processes
// are told at once on PostgreSQL, by polling within 200 ms on SQLite. Where the database is away, the zero Notice comes
// after it is back.
func (s *Store) Watch(ctx context.Context) <-chan Notice {
	return s.db.feed.watch(ctx)
}

func (h *hub) watch(ctx context.Context) <-chan Notice {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{wake: make(chan struct{}, 1), out: make(chan Notice), end: cancel}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		cancel()
		close(w.out)
		return w.out
	}
	if h.stop == nil {
		var following context.Context
		following, h.stop = context.WithCancel(context.Background()) // It ends with the last watcher, not with the first.
		h.group.Go(func() { h.start(following) })
	}
	if h.ready {
		w.pending = []Notice{{}}
	}
	h.watchers[w] = struct{}{}
	h.group.Go(func() { h.deliver(ctx, w) })
	return w.out
}

// deliver hands one watcher its notices.
func (h *hub) deliver(ctx context.Context, w *watcher) {
	defer h.leave(w)
	for {
		h.mu.Lock()
		batch := w.pending
		w.pending = nil
		h.mu.Unlock()
		for _, n := range batch {
			select {
			case w.out <- n:
			case <-ctx.Done():
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.end()
	close(w.out)
	delete(h.watchers, w)
	if len(h.watchers) == 0 && h.stop != nil {
		h.stop()
		h.stop, h.ready = nil, false
	}
}

// made takes in what this process changed. A change without number has been told by the database, or is told by nobody else.
func (h *hub) made(number int64, notices []Notice) {
	if h.local && len(notices) > 0 {
		h.receive(number, notices)
	}
}

// receive takes in what the database told: the notices of the change with a number. A number that is not the next one means
// that something was missed.
func (h *hub) receive(number int64, notices []Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if number > 0 && number > h.seen {
		if h.ready && number != h.seen+1 {
			notices = []Notice{{}}
		}
		h.seen = number
	}
	h.tell(notices)
}

// polled takes in the number of the last change: what is not known yet was missed.
func (h *hub) polled(number int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if number == h.seen && h.ready {
		return
	}
	h.seen, h.ready = number, true
	h.tell([]Notice{{}})
}

// missed says that anything may have changed until the number was read.
func (h *hub) missed(number int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen, h.ready = number, true
	h.tell([]Notice{{}})
}

// tell adds notices to what waits for each watcher. The hub is locked.
func (h *hub) tell(notices []Notice) {
	for w := range h.watchers {
		for _, n := range notices {
			if slices.Contains(w.pending, Notice{}) {
				break // It says all.
			}
			if n == (Notice{}) || len(w.pending) >= maxPending {
				w.pending = []Notice{{}}
			} else if !slices.Contains(w.pending, n) {
				w.pending = append(w.pending, n)
			}
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// lastChange returns the number of the last change.
func (d *database) lastChange(ctx context.Context) (number int64, err error) {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	err = d.read.QueryRowContext(ctx, "SELECT number FROM feed WHERE id = 1").Scan(&number)
	return number, err
}

// close ends all watching and waits for the end of it.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for w := range h.watchers {
		w.end()
	}
	h.mu.Unlock()
	h.group.Wait()
}
