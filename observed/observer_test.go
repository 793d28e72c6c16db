package observed_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/nameserver"
	"github.com/gatehouse/gatehouse/observed"
)

// folder reads files as the loader does, with a word or two in place of YAML: one address for each line, "!" is broken.
type folder struct{ dir string }

func (f folder) KeySet(file string) ([]byte, gateway.Faults) {
	text, err := os.ReadFile(filepath.Join(f.dir, file))
	if err != nil || string(text) == "!" {
		return nil, gateway.Faults{{Code: gateway.CodeKeySet, Place: gateway.Place{File: file}, Message: "broken"}}
	}
	return text, nil
}

func (f folder) Endpoints(file string) ([]gateway.Endpoint, gateway.Faults) {
	text, faults := f.KeySet(file)
	if len(text) == 0 {
		return nil, faults
	}
	return []gateway.Endpoint{{Address: string(text), Weight: 1}}, nil
}

func (folder) PublicKeys(text []byte) ([]byte, error) {
	if string(text) == "!" {
		return nil, errors.New("broken")
	}
	return text, nil
}

// shelf is a store that keeps what is put into it, and can be held against others' changes.
type shelf struct {
	mu     sync.Mutex
	values map[string]observed.Stored
	count  int64
}

func (s *shelf) Get(_ context.Context, kind, name string) (observed.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[kind+"/"+name], nil
}

func (s *shelf) Put(_ context.Context, kind, name string, version int64, value []byte, author string) (observed.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[kind+"/"+name].Version != version {
		return observed.Stored{}, observed.ErrConflict
	}
	s.count++
	stored := observed.Stored{Value: value, Version: s.count, Author: author, Changed: time.Unix(1, 0)}
	s.values[kind+"/"+name] = stored
	return stored, nil
}

// watched is an observer with all that it asks.
type watched struct {
	*observed.Observer
	t     *testing.T
	names *nameserver.Server
	dir   string
	store *shelf
}

func watch(t *testing.T, store *shelf) *watched {
	t.Helper()
	w := &watched{t: t, names: nameserver.Start(t), dir: t.TempDir(), store: store}
	o := observed.Options{
		Resolver: w.names.Resolver(), Reader: folder{w.dir},
		Refresh: 20 * time.Millisecond, Timeout: 200 * time.Millisecond, First: 300 * time.Millisecond,
	}
	if store != nil {
		o.Store = store
	}
	w.Observer = observed.New(o)
	w.Start()
	t.Cleanup(w.Stop)
	return w
}

func newShelf() *shelf { return &shelf{values: map[string]observed.Stored{}} }

func (w *watched) write(file, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// want prepares and wants Upstreams, as a reload does.
func (w *watched) want(upstreams ...*gateway.Upstream) {
	w.t.Helper()
	w.Prepare(w.t.Context(), &gateway.Documents{Upstreams: upstreams})
	w.Want(&gateway.Revision{Upstreams: upstreams})
}

func (w *watched) addresses(upstream string) []string {
	var out []string
	for _, e := range w.Now().Endpoints[upstream] {
		out = append(out, e.Address)
	}
	return out
}

// eventually waits until an Upstream has these endpoints.
func (w *watched) eventually(upstream string, addresses ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s has %v", upstream, addresses), func() bool { return slices.Equal(w.addresses(upstream), addresses) })
}

func (w *watched) until(what string, holds func() bool) {
	w.t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-late:
			w.t.Fatalf("not within %s: %s; states: %+v", patience, what, w.States())
		case <-tick.C:
		}
	}
}

func (w *watched) state(upstream string) observed.State {
	w.t.Helper()
	s, err := w.State(upstream)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func written(name string, addresses ...string) *gateway.Upstream {
	u := &gateway.Upstream{Name: name}
	for _, a := range addresses {
		u.Endpoints = append(u.Endpoints, gateway.Endpoint{Address: a, Weight: 1})
	}
	return u
}

func discovered(name string, d gateway.Discovery) *gateway.Upstream {
	return &gateway.Upstream{Name: name, Discovery: &d}
}

func TestNamesAreFollowed(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.names.Set("backend.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.2", "192.0.2.1", "2001:db8::1"}})
	w.names.Set("six.bank.test", nameserver.Answer{Addresses: []string{"2001:db8::6"}})
	w.want(written("mixed", "backend.bank.test:8080", "10.0.0.1:80", "six.bank.test:9000"))
	want := []string{"10.0.0.1:80", "192.0.2.1:8080", "192.0.2.2:8080", "[2001:db8::6]:9000"}
	if diff := cmp.Diff(want, w.addresses("mixed")); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	w.names.Set("backend.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.3"}})
	w.eventually("mixed", "10.0.0.1:80", "192.0.2.3:8080", "[2001:db8::6]:9000")
}

func TestServiceRecords(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.names.Set("_http._tcp.bank.test", nameserver.Answer{SRV: []net.SRV{
		{Target: "a.bank.test.", Port: 81, Priority: 1, Weight: 5},
		{Target: "b.bank.test.", Port: 82, Priority: 1},
		{Target: "spare.bank.test.", Port: 83, Priority: 9},
	}})
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	w.names.Set("b.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.2", "192.0.2.3"}})
	w.names.Set("spare.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.9"}})
	w.want(discovered("srv", gateway.Discovery{SRV: "_http._tcp.bank.test"}))
	want := []gateway.Endpoint{{Address: "192.0.2.1:81", Weight: 5}, {Address: "192.0.2.2:82", Weight: 1}, {Address: "192.0.2.3:82", Weight: 1}}
	if diff := cmp.Diff(want, w.Now().Endpoints["srv"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.names.Set("_http._tcp.bank.test", nameserver.Answer{SRV: []net.SRV{
		{Target: ".", Port: 0, Priority: 1}, {Target: "spare.bank.test.", Port: 83, Priority: 9},
	}})
	w.eventually("srv", "192.0.2.9:83")
}

// TestFailuresKeepTheLastAnswer answers with SERVFAIL, and then not at all.
func TestFailuresKeepTheLastAnswer(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	w.want(written("a", "a.bank.test:80"))
	for _, broken := range []nameserver.Answer{{Fail: true}, {Hang: true}} {
		w.names.Set("a.bank.test", broken)
		w.until("the failure is shown", func() bool { return w.state("a").Failure != "" })
		if s := w.state("a"); !slices.Equal(w.addresses("a"), []string{"192.0.2.1:80"}) || !s.Held.IsZero() {
			t.Errorf("%+v: %+v", broken, s)
		}
		w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
		w.until("the failure is over", func() bool { return w.state("a").Failure == "" })
	}
}

// TestDeadNamesHoldUpNobody has more names that hang than lookups may run, and one that answers.
func TestDeadNamesHoldUpNobody(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	var upstreams []*gateway.Upstream
	for i := range 100 {
		host := fmt.Sprintf("dead%d.bank.test", i)
		w.names.Set(host, nameserver.Answer{Hang: true})
		upstreams = append(upstreams, written(host, host+":80"))
	}
	w.names.Set("live.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	start := time.Now()
	w.want(append(upstreams, written("live", "live.bank.test:80"))...)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("preparing took %s", took)
	}
	w.eventually("live", "192.0.2.1:80")
	if got, ok := w.Now().Endpoints["dead7.bank.test"]; ok {
		t.Errorf("what was never resolved has %v: nothing is known of it", got)
	}
}

// TestNoneIsKnownOnlyWhereItWasSaid asks for what no store remembers: an Envoy may have endpoints of it.
func TestNoneIsKnownOnlyWhereItWasSaid(t *testing.T) {
	t.Parallel()
	w := watch(t, newShelf())
	w.names.Set("a.bank.test", nameserver.Answer{})
	w.want(written("a", "a.bank.test:80"), discovered("p", gateway.Discovery{Pushed: true}))
	for _, name := range []string{"a", "p"} {
		if list, known := w.Now().Endpoints[name]; known {
			t.Errorf("nobody said what %s has, and known is %v", name, list)
		}
	}
	if _, err := w.Push(t.Context(), "p", observed.Change{All: true, Force: true}); err != nil {
		t.Fatal(err)
	}
	if list, known := w.Now().Endpoints["p"]; !known || len(list) != 0 {
		t.Errorf("an empty set was forced, and known is %v, %t", list, known)
	}
}

// TestEmptyAnswersAreHeld empties a name and a file, and forces the one and lets the other come back.
func TestEmptyAnswersAreHeld(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	w.write("list", "192.0.2.7:80")
	w.want(written("a", "a.bank.test:80"), discovered("f", gateway.Discovery{File: "list"}))
	w.eventually("f", "192.0.2.7:80")

	w.names.Set("a.bank.test", nameserver.Answer{})
	w.write("list", "")
	for _, name := range []string{"a", "f"} {
		w.until(name+" is held", func() bool { return !w.state(name).Held.IsZero() })
		if len(w.addresses(name)) != 1 {
			t.Errorf("%s lost its endpoint", name)
		}
	}
	if _, err := w.Push(t.Context(), "a", observed.Change{All: true}); !errors.Is(err, observed.ErrSource) {
		t.Errorf("without force: %v", err)
	}
	if _, err := w.Push(t.Context(), "a", observed.Change{All: true, Force: true}); err != nil {
		t.Error(err)
	}
	w.eventually("a")
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.4"}})
	w.eventually("a", "192.0.2.4:80")
	w.names.Set("a.bank.test", nameserver.Answer{})
	w.until("the next empty answer is held again", func() bool { return !w.state("a").Held.IsZero() })

	w.write("list", "192.0.2.8:80")
	w.eventually("f", "192.0.2.8:80")
	if !w.state("f").Held.IsZero() {
		t.Error("what came back is still shown as held")
	}
}

// TestBrokenFilesKeepTheLast breaks a file of endpoints and a key set.
func TestBrokenFilesKeepTheLast(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.write("list", "192.0.2.7:80")
	w.write("keys", "one")
	u, i := discovered("f", gateway.Discovery{File: "list"}), &gateway.Issuer{Name: "bank", KeyFile: "keys"}
	w.Prepare(t.Context(), &gateway.Documents{Upstreams: []*gateway.Upstream{u}, Issuers: []*gateway.Issuer{i}})
	w.Want(&gateway.Revision{Upstreams: []*gateway.Upstream{u}, Issuers: []*gateway.Issuer{i}})
	w.eventually("f", "192.0.2.7:80")
	w.write("list", "!")
	w.write("keys", "!")
	w.until("both faults are shown", func() bool { return len(w.Faults()) == 2 })
	if f := w.Faults()[0]; f.Object != (gateway.Ref{Kind: gateway.KindIssuer, Name: "bank"}) || f.Place.File != "keys" {
		t.Errorf("the fault says %+v", f)
	}
	if string(w.Now().KeySets["bank"]) != "one" || len(w.addresses("f")) != 1 || !w.Knows(w.Faults()[0].Object) {
		t.Errorf("what was good is lost: %+v", w.Now())
	}
	w.write("keys", "two")
	w.until("the keys are rotated", func() bool { return string(w.Now().KeySets["bank"]) == "two" })
	w.until("one fault is gone", func() bool { return len(w.Faults()) == 1 })
}

// TestASourceTakesOver changes where endpoints come from: those of before stay until the new source has said something.
func TestASourceTakesOver(t *testing.T) {
	t.Parallel()
	w := watch(t, newShelf())
	w.want(written("a", "10.0.0.1:80"))
	w.names.Set("a.bank.test", nameserver.Answer{Hang: true})
	w.want(written("a", "a.bank.test:80"))
	if got := w.addresses("a"); !slices.Equal(got, []string{"10.0.0.1:80"}) {
		t.Errorf("while the name is not resolved: %v", got)
	}
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	w.eventually("a", "192.0.2.1:80")
	w.want(discovered("a", gateway.Discovery{Pushed: true}))
	if got := w.addresses("a"); !slices.Equal(got, []string{"192.0.2.1:80"}) {
		t.Errorf("before the first push: %v", got)
	}
	if _, err := w.Push(t.Context(), "a", observed.Change{Add: []gateway.Endpoint{{Address: "192.0.2.2:80", Weight: 3}}}); err != nil {
		t.Fatal(err)
	}
	w.eventually("a", "192.0.2.1:80", "192.0.2.2:80")
}

// TestStopEndsAll stops while lookups hang.
func TestStopEndsAll(t *testing.T) {
	t.Parallel()
	w := watch(t, newShelf())
	w.names.Set("a.bank.test", nameserver.Answer{Hang: true})
	w.want(written("a", "a.bank.test:80"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Stop()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it does not stop")
	}
}
