// Package storetest holds what every ratelimit.Store must pass.
//
// In: a way to open an empty store whose time the tests can move. Out: failed tests.
package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Subject is a store under test, and its time.
type Subject struct {
	Store   ratelimit.Store
	Advance func(time.Duration) // Moves the store's clock forward; it must stand still otherwise.
	Now     func() time.Time    // Reads the store's clock. Run can do without.
}

// Clock is a clock for stores that take one. It stands still unless advanced.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that stands at some time.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)} }

// Now returns the time at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the suite, each test on a store of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	tests := map[string]func(*testing.T, Subject){
		"admits the limit and no more":           admitsTheLimit,
		"the window slides":                      slides,
		"keys are apart":                         keysApart,
		"a changed limit keeps what was spent":   changedLimit,
		"one refusal spends nothing":             allOrNothing,
		"charges on one bucket add up":           addUp,
		"cost 0 looks":                           looks,
		"a cost above the limit is refused":      costAboveLimit,
		"the key's bytes are not kept":           keyNotKept,
		"concurrent spending is exact":           concurrent,
		"crossed buckets neither block nor leak": crossed,
		"reset forgets":                          resets,
		"agrees with a model":                    agrees,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func perMinute(limit int64) limiter.Window { return limiter.Window{Limit: limit, Per: time.Minute} }

func charge(key string, w limiter.Window, cost int64) ratelimit.Charge {
	return ratelimit.Charge{Key: []byte(key), Window: w, Cost: cost}
}

// five is a charge on a bucket of 5 a minute.
func five(key string, cost int64) ratelimit.Charge { return charge(key, perMinute(5), cost) }

// spend spends and fails the test where the store cannot be asked.
func (s Subject) spend(t fataler, charges ...ratelimit.Charge) (bool, []limiter.Result) {
	results := make([]limiter.Result, len(charges))
	ok, err := s.Store.Spend(t.Context(), charges, results)
	if err != nil {
		t.Fatalf("spend: %v", err)
	}
	return ok, results
}

// step is one call and what it must answer.
type step struct {
	what    string
	charges []ratelimit.Charge
	ok      bool
	want    []limiter.Result
}

func (s Subject) expect(t *testing.T, e step) {
	t.Helper()
	ok, got := s.spend(t, e.charges...)
	if ok != e.ok {
		t.Errorf("%s: admitted %v, want %v", e.what, ok, e.ok)
	}
	if diff := cmp.Diff(e.want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", e.what, diff)
	}
}

func of[T any](values ...T) []T { return values }

func admitsTheLimit(t *testing.T, s Subject) {
	for i := range 5 {
		after := limiter.Result{OK: true, Remaining: int64(4 - i), Reset: time.Minute}
		s.expect(t, step{fmt.Sprint("request ", i+1), of(five("alice", 1)), true, of(after)})
	}
	s.Advance(20 * time.Second)
	refused := limiter.Result{Reset: 40 * time.Second, Retry: 40 * time.Second}
	s.expect(t, step{"one too many", of(five("alice", 1)), false, of(refused)})
	s.Advance(40 * time.Second)
	again := limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}
	s.expect(t, step{"a minute later", of(five("alice", 1)), true, of(again)})
}

func slides(t *testing.T, s Subject) {
	s.Advance(59 * time.Second)
	s.spend(t, five("alice", 5))
	s.Advance(2 * time.Second) // Over the border of a minute.
	refused := limiter.Result{Reset: 58 * time.Second, Retry: 58 * time.Second}
	s.expect(t, step{"beyond the border of a minute", of(five("alice", 1)), false, of(refused)})
}

func keysApart(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	fresh := limiter.Result{OK: true, Remaining: 4, Reset: time.Minute}
	for _, key := range []string{"bob", "", "alic", "alice\x00", "Alice"} {
		s.expect(t, step{fmt.Sprintf("key %q", key), of(five(key, 1)), true, of(fresh)})
	}
}

func changedLimit(t *testing.T, s Subject) {
	s.spend(t, five("alice", 4))
	raised := limiter.Result{OK: true, Remaining: 990, Reset: time.Minute}
	s.expect(t, step{"raised", of(charge("alice", perMinute(1_000), 6)), true, of(raised)})
	lowered := limiter.Result{Reset: time.Minute, Retry: time.Minute}
	s.expect(t, step{"lowered", of(charge("alice", perMinute(3), 1)), false, of(lowered)})
}

func allOrNothing(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5))
	fresh, refused := limiter.Result{OK: true, Remaining: 5}, limiter.Result{Reset: time.Minute, Retry: time.Minute}
	s.expect(t, step{
		"one of three refuses",
		of(five("api", 1), five("alice", 1), five("address", 1)), false, of(fresh, refused, fresh),
	})
	s.expect(t, step{"the others spent nothing", of(five("api", 5)), true, of(limiter.Result{OK: true, Reset: time.Minute})})
}

func addUp(t *testing.T, s Subject) {
	after := limiter.Result{OK: true, Remaining: 1, Reset: time.Minute}
	s.expect(t, step{"4 of 5", of(five("alice", 2), five("alice", 2)), true, of(after, after)})
	if ok, _ := s.spend(t, five("alice", 1), five("alice", 1)); ok {
		t.Error("two charges of 1 were admitted where 1 remained")
	}
	s.expect(t, step{"the refusal spent nothing", of(five("alice", 1)), true, of(limiter.Result{OK: true, Reset: time.Minute})})
}

func looks(t *testing.T, s Subject) {
	s.expect(t, step{"before", of(five("alice", 0)), true, of(limiter.Result{OK: true, Remaining: 5})})
	s.spend(t, five("alice", 5))
	s.expect(t, step{"all spent", of(five("alice", 0)), true, of(limiter.Result{OK: true, Reset: time.Minute})})
}

func resets(t *testing.T, s Subject) {
	s.spend(t, five("alice", 5), five("bob", 5))
	if err := s.Store.Reset(t.Context(), [][]byte{[]byte("alice"), []byte("nobody")}); err != nil {
		t.Fatal(err)
	}
	s.expect(t, step{"alice", of(five("alice", 5)), true, of(limiter.Result{OK: true, Reset: time.Minute})})
	if ok, _ := s.spend(t, five("bob", 1)); ok {
		t.Error("what bob spent is forgotten too")
	}
}

func costAboveLimit(t *testing.T, s Subject) {
	refused := limiter.Result{Remaining: 5, Retry: time.Minute}
	for _, cost := range []int64{6, 1 << 40, 1<<63 - 1} {
		s.expect(t, step{fmt.Sprint("cost ", cost), of(five("alice", cost)), false, of(refused)})
	}
	if ok, _ := s.spend(t, five("alice", 1<<63-1), five("alice", 1<<63-1)); ok {
		t.Error("costs that overflow together were admitted")
	}
}

func keyNotKept(t *testing.T, s Subject) {
	c := five("alice", 5)
	s.spend(t, c)
	copy(c.Key, "bobby")
	c.Cost = 1
	s.expect(t, step{"bobby", of(c), true, of(limiter.Result{OK: true, Remaining: 4, Reset: time.Minute})})
	if ok, _ := s.spend(t, five("alice", 1)); ok {
		t.Error("what alice spent went with the bytes of her key")
	}
}
