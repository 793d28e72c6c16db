package observed_test

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/nameserver"
	"github.com/gatehouse/gatehouse/observed"
)

// all says that anything may have changed.
func all(string, string) bool { return true }

// recall takes what the store has, again and again until it is what is wanted.
func (w *watched) recall(upstream string, want ...string) {
	w.t.Helper()
	w.until("it takes what the store has", func() bool {
		if err := w.Recall(w.t.Context(), all); err != nil {
			w.t.Fatal(err)
		}
		return slices.Equal(w.addresses(upstream), want)
	})
}

// TestOneLearnsForAll has one observer that leads and one that follows: the second reads no files and takes what the first learnt,
// and goes on from there when it leads.
func TestOneLearnsForAll(t *testing.T) {
	t.Parallel()
	store := newShelf()
	leads, follows := watch(t, store), watch(t, store)
	follows.Lead(false)
	docs := &gateway.Documents{
		Upstreams: []*gateway.Upstream{discovered("f", gateway.Discovery{File: "list"}), discovered("p", gateway.Discovery{Pushed: true})},
		Issuers:   []*gateway.Issuer{{Name: "bank", KeyFile: "keys"}},
	}
	leads.write("list", "192.0.2.7:80")
	leads.write("keys", "one")
	follows.write("list", "192.0.2.66:80")
	follows.write("keys", "another")
	for _, w := range []*watched{leads, follows} {
		w.Prepare(t.Context(), docs)
		w.Want(&gateway.Revision{Upstreams: docs.Upstreams, Issuers: docs.Issuers})
	}
	follows.recall("f", "192.0.2.7:80")
	follows.until("it takes the keys", func() bool {
		return follows.Recall(t.Context(), all) == nil && string(follows.Now().KeySets["bank"]) == "one"
	})

	// What is pushed at either is at both.
	for i, w := range []*watched{leads, follows} {
		change := observed.Change{All: true, Replace: []gateway.Endpoint{at([]string{"10.0.0.1:80", "10.0.0.2:80"}[i])}}
		if _, err := w.Push(t.Context(), "p", change); err != nil {
			t.Fatal(err)
		}
	}
	leads.recall("p", "10.0.0.2:80")
	if got := follows.addresses("p"); !slices.Equal(got, []string{"10.0.0.2:80"}) {
		t.Errorf("where it was pushed: %v", got)
	}

	leads.Lead(false)
	follows.Lead(true)
	follows.eventually("f", "192.0.2.66:80")
	leads.recall("f", "192.0.2.66:80")
	leads.until("it takes the keys", func() bool {
		return leads.Recall(t.Context(), all) == nil && string(leads.Now().KeySets["bank"]) == "another"
	})
}

// TestFollowerAsksNoName has a follower that wants a name: nobody is asked before it leads.
func TestFollowerAsksNoName(t *testing.T) {
	t.Parallel()
	w := watch(t, newShelf())
	w.Lead(false)
	w.names.Set("a.bank.test", nameserver.Answer{Addresses: []string{"192.0.2.1"}})
	w.want(written("n", "a.bank.test:80"))
	if got, asked := w.addresses("n"), w.names.Asked("a.bank.test"); len(got) > 0 || asked > 0 {
		t.Errorf("it asked %d times, and has %v", asked, got)
	}
	w.Lead(true)
	w.eventually("n", "192.0.2.1:80")
}
