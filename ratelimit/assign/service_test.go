package assign_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
)

const limit = 60 * 3600 // Requests an hour.

// TestAssigns serves who comes at once, gives the rest by demand, and tells of it.
func TestAssigns(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	r := start(t, &book{}, c, false)
	a := r.join("edge/a")
	a.report("all", 0, 1, 0)
	if rate, burst := a.assigned(); rate == 0 || rate >= limit || burst == 0 || burst > 60 {
		t.Fatalf("who comes first is assigned %d with %d at once, want less than all", rate, burst)
	}
	for range 3 {
		c.move(5 * time.Second)
		a.report("all", 5*time.Second, 200, 300)
		a.assigned()
	}
	b := r.join("edge/b")
	b.report("all", 0, 1, 0)
	if _, burst := b.assigned(); burst == 0 {
		t.Error("who comes second is let nothing through")
	}
	counts := r.Counts()
	if n := counts.Limits[0]; counts.Streams != 2 || n.Allowed != 602 || n.Denied != 900 || n.Holders != 2 || n.Assigned > 60 || n.Assigned < 25 || n.Demanded != 100 || n.Allowance != 60 {
		t.Errorf("counted %+v", counts)
	}
}

// TestUnknown answers safely what it does not know.
func TestUnknown(t *testing.T) {
	t.Parallel()
	r := start(t, &book{}, &clock{at: time.Unix(1_800_000_000, 0)}, false)
	a := r.join("edge/a")
	a.report("gone", 5*time.Second, 0, 0)
	if told := a.hear(); told.GetAbandonAction() == nil {
		t.Errorf("of a bucket that nobody uses any more is told %v, want that it may be forgotten", told)
	}
	a.report("gone", 5*time.Second, 1, 0)
	a.report("all", 0, 1, 0)
	if told := a.hear(); told.GetBucketId().GetBucket()["limit"] != "all" {
		t.Errorf("of a bucket that is in use is told %v, want nothing", told)
	}
	foreign := r.join("vault/a")
	foreign.report("all", 0, 0, 0)
	if told := foreign.hear(); told.GetAbandonAction() == nil {
		t.Errorf("an Envoy of another fleet is told %v", told)
	}
	if n := r.Counts().Unknown; n != 3 {
		t.Errorf("%d reports are counted as unknown, want 3", n)
	}
	for _, says := range [][]string{nil, {"edge"}, {"edge/a", "edge/b"}, {"edge/" + strings.Repeat("a", 600)}} {
		if _, err := r.join(says...).stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("a stream of %.20q: %v", says, err)
		}
	}
}

// TestReplicas divides one limit among Envoys of two replicas.
func TestReplicas(t *testing.T) {
	t.Parallel()
	b, c := &book{}, &clock{at: time.Unix(1_800_000_000, 0)}
	one, two := start(t, b, c, true), start(t, b, c, true)
	first, second := one.join("edge/a"), two.join("edge/b")
	first.report("all", 0, 1, 0)
	a, _ := first.assigned()
	second.report("all", 0, 1, 0)
	if other, _ := second.assigned(); a == 0 || other == 0 || a+other > limit {
		t.Errorf("%d and %d of %d are assigned", a, other, limit)
	}
	for range 4 {
		c.move(5 * time.Second)
		first.report("all", 5*time.Second, 0, 500)
		a, _ = first.assigned()
		second.report("all", 5*time.Second, 0, 50)
		other, _ := second.assigned()
		if a+other > limit {
			t.Fatalf("%d and %d of %d are assigned", a, other, limit)
		}
	}
	if a < 48*3600 {
		t.Errorf("who asks for 100 a second beside one that asks for 10 is assigned %d an hour", a)
	}
	b.fails(errors.New("away"))
	second.report("all", 5*time.Second, 0, 0)
	for two.Counts().Away == 0 { // A batch is worked off within a moment.
		if t.Context().Err() != nil {
			t.Fatal("nobody noticed that the book is away")
		}
	}
	b.fails(nil)
	if _, burst := second.assigned(); burst == 0 {
		t.Error("when the book is back, nothing is assigned")
	}
}

// TestRestart renews what Envoys have, bit for bit, after another process has taken over.
func TestRestart(t *testing.T) {
	t.Parallel()
	b, c := &book{}, &clock{at: time.Unix(1_800_000_000, 0)}
	before := start(t, b, c, false)
	a := before.join("edge/a")
	a.report("all", 0, 1, 0)
	rate, burst := a.assigned()
	for range 3 {
		c.move(5 * time.Second)
		a.report("all", 5*time.Second, 50, 0)
		rate, burst = a.assigned()
	}
	before.Stop()
	if _, err := a.stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended by %v", err)
	}
	c.move(5 * time.Second)
	after := start(t, b, c, false)
	again, stranger := after.join("edge/a"), after.join("edge/b")
	again.report("all", 5*time.Second, 50, 0)
	if r, n := again.assigned(); r != rate || n != burst {
		t.Errorf("assigned %d with %d at once, and %d with %d after a restart", rate, burst, r, n)
	}
	stranger.report("all", 0, 1, 0)
	if r, _ := stranger.assigned(); r+rate > limit {
		t.Errorf("%d and %d of %d are assigned", r, rate, limit)
	}
}

// TestCompile refuses what no Envoy can enforce by itself.
func TestCompile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*gateway.Limit){
		"a key":       func(l *gateway.Limit) { l.Key = []string{"client.address"} },
		"a condition": func(l *gateway.Limit) { l.When = &gateway.LimitWhen{} },
		"a cost":      func(l *gateway.Limit) { l.Cost = gateway.Cost{Number: 2} },
		"a quota": func(l *gateway.Limit) {
			l.Windows[0] = gateway.Window{Limit: 1, Arithmetic: gateway.Quota, Every: gateway.Daily}
		},
		"a long window": func(l *gateway.Limit) { l.Windows[0].Per = 2 * time.Hour },
		"too many":      func(l *gateway.Limit) { l.Windows[0] = gateway.Window{Limit: 1 << 40, Per: time.Millisecond} },
		"two windows":   func(l *gateway.Limit) { l.Windows = append(l.Windows, l.Windows[0]) },
	} {
		rev := revision()
		change(&rev.Routes[0].Limits[0])
		if _, faults := assign.Compile(rev); len(faults) != 1 {
			t.Errorf("%s: %d faults, want 1", name, len(faults))
		}
	}
	rev := revision()
	rev.Routes[0].Limits = append(rev.Routes[0].Limits, gateway.Limit{Name: "other", Enforce: gateway.Distributed, Windows: rev.Routes[0].Limits[0].Windows})
	if _, faults := assign.Compile(rev); len(faults) != 1 {
		t.Errorf("two distributed limits on one route: %d faults, want 1", len(faults))
	}
}
