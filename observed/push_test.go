package observed_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
)

func at(address string) gateway.Endpoint { return gateway.Endpoint{Address: address, Weight: 1} }

func TestPushes(t *testing.T) {
	t.Parallel()
	w := watch(t, newShelf())
	w.want(discovered("p", gateway.Discovery{Pushed: true}), written("fixed", "10.0.0.1:80"))
	version := int64(0)
	for _, step := range []struct {
		name   string
		change observed.Change
		want   []string
		err    error
	}{
		{"empty at first", observed.Change{All: true}, nil, observed.ErrEmpty},
		{"set", observed.Change{All: true, Replace: []gateway.Endpoint{at("10.0.0.2:80"), at("10.0.0.1:80"), at("unix:/run/a.sock")}, Author: "tina"}, []string{"10.0.0.1:80", "10.0.0.2:80", "unix:/run/a.sock"}, nil},
		{"add", observed.Change{Add: []gateway.Endpoint{at("10.0.0.3:80"), {Address: "10.0.0.1:80", Weight: 5}}}, []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "unix:/run/a.sock"}, nil},
		{"remove", observed.Change{Remove: []string{"10.0.0.2:80", "unix:/run/a.sock"}}, []string{"10.0.0.1:80", "10.0.0.3:80"}, nil},
		{"remove what is not there", observed.Change{Remove: []string{"10.0.0.2:80"}}, nil, observed.ErrInvalid},
		{"a name", observed.Change{Add: []gateway.Endpoint{at("a.bank.test:80")}}, nil, observed.ErrInvalid},
		{"no address", observed.Change{Add: []gateway.Endpoint{at("10.0.0.1")}}, nil, observed.ErrInvalid},
		{"no weight", observed.Change{Add: []gateway.Endpoint{{Address: "10.0.0.9:80"}}}, nil, observed.ErrInvalid},
		{"an old version", observed.Change{Add: []gateway.Endpoint{at("10.0.0.9:80")}, Version: 1}, nil, observed.ErrConflict},
		{"remove all", observed.Change{Remove: []string{"10.0.0.1:80", "10.0.0.3:80"}}, nil, observed.ErrEmpty},
		{"remove all, meant", observed.Change{Remove: []string{"10.0.0.1:80", "10.0.0.3:80"}, Force: true}, []string{}, nil},
	} {
		before := w.addresses("p")
		s, err := w.Push(t.Context(), "p", step.change)
		if !errors.Is(err, step.err) {
			t.Errorf("%s: %v", step.name, err)
		}
		if step.want == nil {
			step.want = before
		} else if s.Version <= version || s.Author != step.change.Author {
			t.Errorf("%s: version %d by %q", step.name, s.Version, s.Author)
		}
		version = max(version, s.Version)
		if diff := cmp.Diff(step.want, append(step.want[:0:0], w.addresses("p")...)); diff != "" && len(step.want)+len(w.addresses("p")) > 0 {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if _, err := w.Push(t.Context(), "fixed", observed.Change{Add: []gateway.Endpoint{at("10.0.0.9:80")}}); !errors.Is(err, observed.ErrSource) {
		t.Errorf("written out: %v", err)
	}
	if _, err := w.Push(t.Context(), "nobody", observed.Change{}); !errors.Is(err, observed.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

// TestPushesOfManyAreAllKept adds endpoints from many goroutines through two observers over one store, as two daemons do.
func TestPushesOfManyAreAllKept(t *testing.T) {
	t.Parallel()
	store := newShelf()
	daemons := []*watched{watch(t, store), watch(t, store)}
	for _, w := range daemons {
		w.want(discovered("p", gateway.Discovery{Pushed: true}))
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			for {
				_, err := daemons[i%2].Push(t.Context(), "p", observed.Change{Add: []gateway.Endpoint{at(fmt.Sprintf("10.0.0.%d:80", i+1))}})
				if err == nil {
					return
				}
				if !errors.Is(err, observed.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	third := watch(t, store)
	third.want(discovered("p", gateway.Discovery{Pushed: true}))
	if got := third.addresses("p"); len(got) != 20 {
		t.Errorf("of 20 additions %d are kept: %v", len(got), got)
	}
}

// TestWhatWasLearntOutlivesTheProcess starts a second observer while the resolver is dead and the file broken.
func TestWhatWasLearntOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	store := newShelf()
	first := watch(t, store)
	first.write("list", "192.0.2.7:80")
	first.write("keys", "one")
	docs := &gateway.Documents{
		Upstreams: []*gateway.Upstream{discovered("f", gateway.Discovery{File: "list"}), discovered("p", gateway.Discovery{Pushed: true})},
		Issuers:   []*gateway.Issuer{{Name: "bank", KeyFile: "keys"}},
	}
	first.Prepare(t.Context(), docs)
	if _, err := first.Push(t.Context(), "p", observed.Change{All: true, Replace: []gateway.Endpoint{at("10.0.0.1:80")}, Author: "tina"}); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	second := watch(t, store)
	second.Prepare(t.Context(), docs)
	if got := second.addresses("f"); len(got) != 1 || string(second.Now().KeySets["bank"]) != "one" {
		t.Errorf("after a restart without its files: %v, %q", got, second.Now().KeySets["bank"])
	}
	if s := second.state("p"); len(s.Endpoints) != 1 || s.Author != "tina" || !s.Since.Equal(time.Unix(1, 0)) {
		t.Errorf("pushed endpoints after a restart: %+v", s)
	}
}
