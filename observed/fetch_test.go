package observed_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
)

// publisher is the server of an issuer that publishes its keys.
type publisher struct {
	*httptest.Server

	mu      sync.Mutex
	keys    string // "" answers 500.
	issuer  string // What the metadata say; "" says the truth.
	to      string // Where the keys redirect; "" nowhere.
	asked   int
	unasked int // Answers that the keys have not changed.
}

func publish(t *testing.T, keys string, secure bool) *publisher {
	t.Helper()
	p := &publisher{keys: keys}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.answer))
	if secure {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) answer(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tag := fmt.Sprintf("%q", p.keys)
	switch {
	case r.URL.Path == "/.well-known/openid-configuration":
		issuer := p.issuer
		if issuer == "" {
			issuer = p.URL
		}
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/keys"}`, issuer, p.URL)
		return
	case p.keys == "":
		w.WriteHeader(http.StatusInternalServerError)
	case p.to != "":
		http.Redirect(w, r, p.to, http.StatusFound)
	case r.Header.Get("If-None-Match") == tag:
		p.unasked++
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", tag)
		fmt.Fprint(w, p.keys)
	}
	p.asked++
}

func (p *publisher) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// issuer is one whose keys are fetched every few milliseconds.
func (p *publisher) issues() *gateway.Issuer {
	return &gateway.Issuer{Name: "bank", Issuer: p.URL, KeyURL: &gateway.KeyURL{URL: p.URL + "/keys", Refresh: 20 * time.Millisecond}}
}

func (w *watched) issued(by *gateway.Issuer) {
	w.t.Helper()
	w.Prepare(w.t.Context(), &gateway.Documents{Issuers: []*gateway.Issuer{by}})
	w.Want(&gateway.Revision{Issuers: []*gateway.Issuer{by}})
}

func (w *watched) keys() string { return string(w.Now().KeySets["bank"]) }

// TestKeysAreFetched fetches keys, rotates them, lets their server fail, and starts again while it is down.
func TestKeysAreFetched(t *testing.T) {
	t.Parallel()
	p, store := publish(t, "one", false), newShelf()
	w := watch(t, store)
	w.issued(p.issues())
	if w.keys() != "one" || len(w.Unknown([]*gateway.Issuer{p.issues()})) > 0 {
		t.Fatalf("the keys are %q", w.keys())
	}
	w.until("a server that has nothing new is told what is known", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.unasked > 1
	})
	p.set(func() { p.keys = "two" })
	w.until("the keys rotate", func() bool { return w.keys() == "two" })
	w.until("they are kept", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		for _, v := range store.values {
			return string(v.Value) == "two"
		}
		return false
	})
	for _, broken := range []string{"", "!", strings.Repeat("x", 1<<20+1)} {
		p.set(func() { p.keys = broken })
		w.until("the failure shows", func() bool { return len(w.Faults()) == 1 })
		if f := w.Faults()[0]; f.Code != gateway.CodeKeySet || f.Field != "jwks" || w.keys() != "two" {
			t.Errorf("the keys are %q, the fault is %v", w.keys(), f)
		}
		p.set(func() { p.keys = "two" })
		w.until("the failure ends", func() bool { return len(w.Faults()) == 0 })
	}
	w.Stop()
	p.Close()
	again := watch(t, store)
	again.issued(p.issues())
	if again.keys() != "two" {
		t.Errorf("after a restart without the server the keys are %q", again.keys())
	}
}

// TestKeysAreDiscovered asks an issuer's metadata, and does not take those of another.
func TestKeysAreDiscovered(t *testing.T) {
	t.Parallel()
	p := publish(t, "one", true)
	p.set(func() { p.issuer = "https://other.bank.test" })
	by := p.issues()
	by.KeyURL.URL = ""
	by.KeyURL.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	w := watch(t, newShelf())
	w.issued(by)
	found := w.Unknown([]*gateway.Issuer{by})
	if len(found) != 1 || !strings.Contains(found[0].Message, "other.bank.test") {
		t.Errorf("the metadata of another issuer: %v", found)
	}
	p.set(func() { p.issuer = "" })
	w.until("the keys are known", func() bool { return w.keys() == "one" })
	stranger := publish(t, "two", true)
	unknown := stranger.issues()
	unknown.Name = "stranger"
	w.issued(unknown)
	if found := w.Unknown([]*gateway.Issuer{unknown}); len(found) != 1 || !strings.Contains(found[0].Message, "certificate") {
		t.Errorf("a server that nobody vouches for: %v", found)
	}
}

// TestKeysOfAnotherPlace changes where keys come from: those of the former place do not count for the new one.
func TestKeysOfAnotherPlace(t *testing.T) {
	t.Parallel()
	p, other, store := publish(t, "one", false), publish(t, "", false), newShelf()
	w := watch(t, store)
	w.issued(p.issues())
	w.issued(other.issues())
	if keys := w.keys(); keys != "" {
		t.Errorf("the keys of the former place stay: %q", keys)
	}
	other.set(func() { other.keys = "two" })
	w.until("the new keys are known", func() bool { return w.keys() == "two" })
	other.set(func() { other.to = "http://192.0.2.1/keys" })
	w.until("a redirect to plain HTTP of another host is a failure", func() bool {
		return len(w.Faults()) == 1 && strings.Contains(w.Faults()[0].Message, "not https")
	})
}

// TestFollowersRecallKeys has one observer of two fetch, and the other take what it has learnt.
func TestFollowersRecallKeys(t *testing.T) {
	t.Parallel()
	p, store := publish(t, "one", false), newShelf()
	follower := watch(t, store)
	follower.Lead(false)
	follower.issued(p.issues())
	if follower.keys() != "" {
		t.Fatal("who does not lead has fetched")
	}
	leader := watch(t, store)
	leader.issued(p.issues())
	follower.until("the follower has the keys", func() bool {
		if err := follower.Recall(t.Context(), func(kind, _ string) bool { return kind == observed.KindKeySet }); err != nil {
			t.Fatal(err)
		}
		return follower.keys() == "one"
	})
}
