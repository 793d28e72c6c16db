package keys_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz/keys"
)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newTable() (*keys.Table, *clock) {
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return keys.New([]byte("0123456789abcdef0123456789abcdef"), c.Now), c
}

// add puts a fresh key into a table, and returns its row and text.
func add(t testing.TB, table *keys.Table, row keys.Row) (keys.Row, string) {
	t.Helper()
	id, secret := keys.Fresh()
	row.ID, row.Hash = id, table.Hash(secret)
	if err := table.Put(row); err != nil {
		t.Fatal(err)
	}
	return row, keys.Text(id, secret)
}

func refused(t *testing.T, table *keys.Table, text string, want error) {
	t.Helper()
	if k, err := table.Find(text); !errors.Is(err, want) || k.ID != "" {
		t.Errorf("%q: got %v and %v, want %v", text, k, err, want)
	}
}

func TestFindsAKey(t *testing.T) {
	t.Parallel()
	table, clock := newTable()
	table.Subscribe("shop", keys.Subscription{ID: "s1", API: "payments", Plan: "gold"})
	table.Subscribe("shop", keys.Subscription{ID: "s2", API: "orders", Plan: "gold"})
	table.Unsubscribe("shop", "s2")
	table.PutApplication("shop", "", false)
	row, text := add(t, table, keys.Row{
		Application: "shop", Scopes: []string{"pay"}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Expires: clock.Now().Add(time.Hour),
	})
	k, err := table.Find(text)
	if err != nil || k.ID != row.ID || k.Application != "shop" || !slices.Equal(k.Scopes, row.Scopes) || !k.Expires.Equal(row.Expires) {
		t.Fatalf("got %+v and %v", k, err)
	}
	if k.Plan("payments", "v1") != "gold" || k.Plan("orders", "v1") != "" {
		t.Errorf("plans %q", k.Subscriptions)
	}
	if !k.Counts(netip.MustParseAddr("::ffff:10.1.1.1")) || k.Counts(netip.MustParseAddr("192.0.2.1")) || k.Counts(netip.Addr{}) {
		t.Error("the addresses are not judged")
	}
	if id, err := keys.ID(text); err != nil || id != row.ID {
		t.Errorf("the id is %q, %v", id, err)
	}
}

func TestAPlanOfAVersionCountsBeforeThatOfTheAPI(t *testing.T) {
	t.Parallel()
	if got := (keys.Key{General: "bronze"}).Plan("payments", "v1"); got != "bronze" {
		t.Errorf("without a subscription: %q, want the application's plan", got)
	}
	k := keys.Key{General: "bronze", Subscriptions: []keys.Subscription{{API: "payments", Plan: "gold"}, {API: "payments/v2", Plan: "silver"}, {API: "pay", Plan: "x"}}}
	for version, want := range map[string]string{"v1": "gold", "v2": "silver"} {
		if got := k.Plan("payments", version); got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	table, clock := newTable()
	table.PutApplication("shop", "", false)
	row, text := add(t, table, keys.Row{Application: "shop", Expires: clock.Now().Add(time.Minute)})
	_, other := keys.Fresh()
	refused(t, table, keys.Text(row.ID, other), keys.ErrUnknown)
	fresh, secret := keys.Fresh()
	refused(t, table, keys.Text(fresh, secret), keys.ErrUnknown)
	for _, bad := range []string{
		"", " " + text, text + "a", text[:len(text)-1], strings.ToUpper(text), strings.Replace(text, ".", "_", 1),
		strings.Replace(text, keys.Prefix, "gha_", 1), text[:len(text)-1] + "1", text[:len(text)-1] + "\xff", keys.Prefix + "0" + text[len(keys.Prefix)+1:],
	} {
		refused(t, table, bad, keys.ErrMalformed)
	}
	clock.advance(time.Minute - time.Second)
	if _, err := table.Find(text); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	clock.advance(time.Second)
	refused(t, table, text, keys.ErrExpired)
	refused(t, table, keys.Text(row.ID, other), keys.ErrUnknown) // Nobody without the secret learns that it has expired.
	row.Revoked = clock.Now()
	if err := table.Put(row); err != nil {
		t.Fatal(err)
	}
	refused(t, table, text, keys.ErrRevoked)
	table.Remove(row.ID)
	table.Remove(row.ID)
	refused(t, table, text, keys.ErrUnknown)
	if table.Len() != 0 {
		t.Errorf("%d are left", table.Len())
	}
	if err := table.Put(keys.Row{ID: "c1"}); !errors.Is(err, keys.ErrMalformed) {
		t.Errorf("an id of another form: %v", err)
	}
}

func TestAKeyCountsAsItsApplicationDoes(t *testing.T) {
	t.Parallel()
	table, _ := newTable()
	_, text := add(t, table, keys.Row{Application: "shop"})
	refused(t, table, text, keys.ErrRevoked) // Nothing is known of the application.
	table.PutApplication("shop", "", false)
	if _, err := table.Find(text); err != nil {
		t.Error(err)
	}
	table.PutApplication("shop", "", true)
	refused(t, table, text, keys.ErrRevoked)
}

func TestAChangedRowTakesThePlaceOfTheOld(t *testing.T) {
	t.Parallel()
	table, _ := newTable()
	table.PutApplication("shop", "", false)
	row, text := add(t, table, keys.Row{Application: "shop", Scopes: []string{"a,b"}})
	row.Scopes = []string{"a", "b"}
	if err := table.Put(row); err != nil || table.Len() != 1 {
		t.Fatal(err, table.Len())
	}
	if k, err := table.Find(text); err != nil || len(k.Scopes) != 2 {
		t.Errorf("got %v and %v", k, err)
	}
	table.Remove(row.ID)
	again, second := add(t, table, keys.Row{Application: "shop"})
	if k, err := table.Find(second); err != nil || k.ID != again.ID {
		t.Errorf("a row used again: %v and %v", k, err)
	}
}

func TestForgetsWhatHasEndedLongAgo(t *testing.T) {
	t.Parallel()
	table, clock := newTable()
	table.PutApplication("shop", "", false)
	_, endless := add(t, table, keys.Row{Application: "shop"})
	_, later := add(t, table, keys.Row{Application: "shop", Expires: clock.Now().Add(3 * time.Hour)})
	_, expired := add(t, table, keys.Row{Application: "shop", Expires: clock.Now().Add(time.Hour)})
	_, revoked := add(t, table, keys.Row{Application: "shop", Revoked: clock.Now()})
	clock.advance(2 * time.Hour)
	refused(t, table, expired, keys.ErrExpired)
	refused(t, table, revoked, keys.ErrRevoked)
	if gone := table.Forget(clock.Now()); gone != 2 || table.Len() != 2 {
		t.Errorf("%d are forgotten, %d left", gone, table.Len())
	}
	refused(t, table, expired, keys.ErrUnknown)
	refused(t, table, revoked, keys.ErrUnknown)
	for _, text := range []string{endless, later} {
		if _, err := table.Find(text); err != nil {
			t.Error(err)
		}
	}
}

// TestHoldsWhatWasPut puts and removes at random, next to a map: shards grow, rows are used again, runs of slots close.
func TestHoldsWhatWasPut(t *testing.T) {
	t.Parallel()
	table, _ := newTable()
	table.PutApplication("shop", "", false)
	there, gone := map[string]string{}, map[string]string{}
	for range 20_000 {
		if rand.IntN(3) > 0 || len(there) == 0 {
			row, text := add(t, table, keys.Row{Application: "shop"})
			there[row.ID] = text
			continue
		}
		for id, text := range there {
			table.Remove(id)
			gone[id] = text
			delete(there, id)
			break
		}
	}
	for id, text := range there {
		if k, err := table.Find(text); err != nil || k.ID != id {
			t.Fatalf("%s: %v, %v", id, k, err)
		}
	}
	for _, text := range gone {
		refused(t, table, text, keys.ErrUnknown)
	}
	if table.Len() != len(there) {
		t.Errorf("%d are held, want %d", table.Len(), len(there))
	}
}

func TestTellsEachUseOnce(t *testing.T) {
	t.Parallel()
	table, clock := newTable()
	table.PutApplication("shop", "", false)
	row, text := add(t, table, keys.Row{Application: "shop"})
	_, second := add(t, table, keys.Row{Application: "shop"})
	for range 3 {
		_, _ = table.Find(text)
		_, _ = table.Find(second)
	}
	first := table.Used(1)
	rest := table.Used(10)
	if len(first) != 1 || len(rest) != 1 || first[0].ID == rest[0].ID {
		t.Fatalf("told %v, then %v", first, rest)
	}
	_, _ = table.Find(text)
	if again := table.Used(10); len(again) != 0 {
		t.Errorf("told again: %v", again)
	}
	clock.advance(10 * time.Minute)
	_, _ = table.Find(text)
	if later := table.Used(10); len(later) != 1 || later[0].ID != row.ID || !later[0].Last.Equal(clock.Now()) {
		t.Errorf("told later: %v", later)
	}
}

func TestChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	table, clock := newTable()
	table.PutApplication("shop", "", false)
	_, kept := add(t, table, keys.Row{Application: "shop"})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				row, text := add(t, table, keys.Row{Application: "shop", Scopes: []string{"x"}})
				if _, err := table.Find(text); err != nil {
					t.Error(err)
				}
				table.Remove(row.ID)
				if _, err := table.Find(kept); err != nil {
					t.Error(err)
				}
				clock.advance(time.Minute)
				table.Used(10)
			}
		})
	}
	group.Wait()
	if table.Len() != 1 {
		t.Errorf("%d are left", table.Len())
	}
}

func FuzzParse(f *testing.F) {
	table, _ := newTable()
	table.PutApplication("shop", "", false)
	row, text := add(f, table, keys.Row{Application: "shop"})
	f.Add(text)
	f.Add("")
	f.Add(keys.Text(row.ID, ""))
	f.Add(strings.Repeat("ghk_", 20))
	f.Fuzz(func(t *testing.T, given string) {
		k, err := table.Find(given)
		id, malformed := keys.ID(given)
		switch {
		case given == text:
			if err != nil || k.ID != row.ID {
				t.Errorf("the key is not found: %v", err)
			}
		case err == nil:
			t.Errorf("%q was taken for a key", given)
		case malformed == nil && (keys.Text(id, given[len(given)-52:]) != given || !errors.Is(err, keys.ErrUnknown)):
			t.Errorf("%q was taken apart into %q: %v", given, id, err)
		case malformed != nil && !errors.Is(err, keys.ErrMalformed):
			t.Errorf("%q: %v and %v", given, malformed, err)
		}
	})
}
