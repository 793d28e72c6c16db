package ratelimit_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// each returns a limit of 5 a minute and 50 a day for each value of a header.
func each(header string) gateway.Limit {
	return gateway.Limit{Name: "each", Key: []string{"header." + header}, Windows: []gateway.Window{
		{Limit: 5, Per: time.Minute}, {Limit: 50, Arithmetic: gateway.Quota, Every: gateway.Daily},
	}}
}

// TestOperate shows, resets and grants by the values of a limit's key.
func TestOperate(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{each("x-customer")}, nil))
	id := ratelimit.LimitID{Scope: "payments/v1", Name: "each"}
	if known := r.Limits(); len(known) != 1 || known[0].LimitID != id || len(known[0].Windows) != 2 || known[0].Key[0] != "header.x-customer" {
		t.Fatalf("known: %+v", known)
	}
	alice := r.descriptor(t, "get", "each", "header.x-customer", "alice")
	by := map[string]string{"header.x-customer": "alice"}
	stands := func(what string, want ...int64) {
		t.Helper()
		list, err := r.Show(t.Context(), id, by)
		if err != nil || len(list) != 2 || list[0].Remaining != want[0] || list[1].Remaining != want[1] || list[0].Spent != 5-want[0] {
			t.Errorf("%s: %+v, %v, want %v remaining", what, list, err, want)
		}
	}
	stands("before", 5, 50)
	r.spend(t, 7, alice)
	stands("after 5", 0, 45)
	if list, err := r.Grant(t.Context(), id, by, 3); err != nil || list[0].Remaining != 3 || list[1].Remaining != 48 {
		t.Errorf("granted 3: %+v, %v", list, err)
	}
	if got := r.spend(t, 9, alice); got != 3 {
		t.Errorf("%d admitted after 3 were granted", got)
	}
	if err := r.Reset(t.Context(), id, by); err != nil {
		t.Fatal(err)
	}
	stands("reset", 5, 50)
	by = nil // Requests without the header.
	stands("without a value", 5, 50)
	r.spend(t, 2, r.descriptor(t, "get", "each"))
	stands("without a value, after 2", 3, 48)
	if _, err := r.Show(t.Context(), id, map[string]string{"consumer": "x"}); !errors.Is(err, ratelimit.ErrUnknownPart) {
		t.Errorf("a part that it has not: %v", err)
	}
	if err := r.Reset(t.Context(), ratelimit.LimitID{Name: "each"}, nil); !errors.Is(err, ratelimit.ErrUnknownLimit) {
		t.Errorf("a limit that there is not: %v", err)
	}
	if _, err := r.Grant(t.Context(), id, by, 0); err == nil {
		t.Error("nothing is granted without an error")
	}
}

// TestTop lists who is near or over a limit now, without secrets.
func TestTop(t *testing.T) {
	t.Parallel()
	for header, secret := range map[string]bool{"x-customer": false, "authorization": true, "x-api-key": true, "cookie": true} {
		r := start(t, payments([]gateway.Limit{each(header)}, nil))
		of := func(name string) *ratelimit.Top {
			for _, e := range r.Top() {
				if e.Key[0].Value == name || secret && e.Key[0].Value == ratelimit.Fingerprint(name) {
					return &e
				}
			}
			return nil
		}
		r.spend(t, 3, r.descriptor(t, "get", "each", "header."+header, "carol"))
		r.spend(t, 4, r.descriptor(t, "get", "each", "header."+header, "bob"))
		r.spend(t, 9, r.descriptor(t, "get", "each", "header."+header, "alice"))
		r.spend(t, 5, r.descriptor(t, "get", "each"))
		list := r.Top()
		if len(list) != 3 || of("carol") != nil || !of("alice").Over || of("bob").Over || of("bob").Remaining != 1 || of("alice").Times != 6 {
			t.Errorf("%s: %+v", header, list)
		}
		if list[0].Key[0].Absent || list[0].API != "payments" || list[0].Limit != 5 || !list[1].Key[0].Absent && !list[2].Key[0].Absent {
			t.Errorf("%s: %+v", header, list)
		}
		if secret && strings.Contains(fmt.Sprintf("%+v", list), "alice") {
			t.Errorf("%s: a secret is shown: %+v", header, list)
		}
		r.clock.Advance(time.Minute)
		if list := r.Top(); len(list) != 0 {
			t.Errorf("%s: a minute later: %+v", header, list)
		}
	}
}

// TestTopKeepsTheMostFrequent holds that a bucket that is seen more often than one in 512 times is known, however many others there are.
func TestTopKeepsTheMostFrequent(t *testing.T) {
	t.Parallel()
	docs := payments([]gateway.Limit{{Name: "each", Key: []string{"header.x"}, Windows: []gateway.Window{{Limit: 1, Per: time.Hour}}}}, nil)
	rapid.Check(t, func(rt *rapid.T) {
		r := start(t, docs)
		hash := rulesOf(t, r.rev, "get")
		seen, all := map[string]uint64{}, 0
		see := func(key string, times int) {
			for range times {
				if _, err := r.Spend(t.Context(), ratelimit.Spending{Rules: hash, Cost: 1, Request: parts("header.x", key)}); err != nil {
					rt.Fatal(err)
				}
				seen[key]++
				all++
			}
		}
		for i := range rapid.IntRange(1, 1500).Draw(rt, "others") {
			see(fmt.Sprint("other", i), 1)
			if key := rapid.IntRange(0, 300).Draw(rt, "frequent"); key < 20 {
				see(fmt.Sprint("frequent", key), 2)
			}
		}
		known := map[string]uint64{}
		for _, e := range r.Top() {
			known[e.Key[0].Value] = e.Times
		}
		if len(known) > 512 {
			rt.Fatalf("%d are kept", len(known))
		}
		for key := range maps.Keys(seen) {
			if times, ok := known[key]; ok && times < seen[key] || !ok && seen[key] > uint64(all/512) {
				rt.Errorf("%s was seen %d of %d times, known: %t, %d", key, seen[key], all, ok, times)
			}
		}
	})
}

// TestLimitIsTold shows what the fields of a limit are to whoever lists them.
func TestLimitIsTold(t *testing.T) {
	t.Parallel()
	shadow := perCustomer()
	shadow.Name, shadow.Mode = "tried", gateway.Shadow
	r := start(t, payments([]gateway.Limit{perCustomer(), shadow}, nil))
	r.spend(t, 2, r.descriptor(t, "get", "tried", "token.sub", "alice"))
	var names []string
	for _, l := range r.Limits() {
		names = append(names, fmt.Sprint(l.Scope, " ", l.Name, " ", l.Mode, " ", l.Count.Spent))
	}
	if diff := cmp.Diff([]string{"payments/v1 per-customer  0", "payments/v1 tried shadow 2"}, names); diff != "" {
		t.Error(diff)
	}
}
