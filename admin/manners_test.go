package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTags(t *testing.T) {
	t.Parallel()
	k := &known{sets: shopSet()}
	c := onSocket(t, k)
	response, _ := call(t, c, "GET", "/v1/endpoints/shop", "")
	etag := response.Header.Get("ETag")
	if len(etag) < 10 {
		t.Fatalf("no tag: %v", response.Header)
	}
	if response, text := call(t, c, "GET", "/v1/endpoints/shop", "", "If-None-Match", `"x", W/`+etag); response.StatusCode != http.StatusNotModified || text != "" {
		t.Errorf("not modified: %d %q", response.StatusCode, text)
	}
	push := func(match string) (int, string) {
		response, text := call(t, c, "POST", "/v1/endpoints/shop", "{}", "Content-Type", "application/json", "If-Match", match)
		return response.StatusCode, text
	}
	for _, wrong := range []string{`"x"`, "W/" + etag, strings.Trim(etag, `"`)} {
		if status, _ := push(wrong); status != http.StatusPreconditionFailed {
			t.Errorf("%s: %d, want 412", wrong, status)
		}
	}
	if len(k.pushed) != 0 {
		t.Fatalf("changed all the same: %+v", k.pushed)
	}
	if status, text := push(`"x", ` + etag); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if k.pushed[0].Version != 3 {
		t.Errorf("the change is not bound to the version that was seen: %+v", k.pushed[0])
	}
	if status, _ := push(etag); status != http.StatusPreconditionFailed {
		t.Errorf("the same tag again: %d, want 412", status)
	}
	if status, _ := push("*"); status != http.StatusOK {
		t.Errorf("any: %d", status)
	}
	if response, _ := call(t, c, "POST", "/v1/endpoints/none", "{}", "Content-Type", "application/json", "If-Match", "*"); response.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("of what is not there: %d, want 412", response.StatusCode)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	k := &known{}
	for i := range 25 {
		k.nodes = append(k.nodes, Node{Fleet: "edge", Name: fmt.Sprintf("n%02d", i), Types: []TypeStatus{}})
	}
	c := onSocket(t, k)
	path, seen := "/v1/nodes?limit=10&fleet=edge", 0
	for rounds := 0; path != ""; rounds++ {
		response, text := call(t, c, "GET", path, "")
		if response.StatusCode != http.StatusOK || rounds > 3 {
			t.Fatalf("%s: %d %s", path, response.StatusCode, text)
		}
		seen += strings.Count(text, `"name":"n`)
		path = ""
		if link, ok := strings.CutSuffix(response.Header.Get("Link"), `>; rel="next"`); ok {
			path = "/v1/nodes" + strings.TrimPrefix(link, "<")
		}
	}
	if seen != 25 {
		t.Errorf("saw %d of 25", seen)
	}
	// An item that goes between two pages moves no other.
	first, next, err := page(PageQuery{Limit: 10}, k.nodes, func(n Node) string { return n.Name })
	if err != nil || len(first) != 10 {
		t.Fatal(first, err)
	}
	second, _, err := page(PageQuery{Limit: 10, Cursor: next}, k.nodes[10:], func(n Node) string { return n.Name })
	if err != nil || second[0].Name != "n10" {
		t.Errorf("got %+v, %v", second, err)
	}
	many := make([]Node, 2500)
	for i := range many {
		many[i] = Node{Fleet: "edge", Name: fmt.Sprintf("n%04d", i), Types: []TypeStatus{}}
	}
	all, err := onSocket(t, &known{nodes: many}).Nodes(t.Context(), "edge")
	if err != nil || len(all) != len(many) || all[2499].Name != "n2499" {
		t.Errorf("the client read %d of %d nodes: %v", len(all), len(many), err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	events := NewEvents(time.Now)
	c := onSocket(t, &known{events: events})
	enough := errors.New("enough")
	var last string
	err := c.Watch(t.Context(), "", func() {
		events.Publish(Event{Kind: EventNodes, Fleet: "edge"})
		events.Publish(Event{Kind: EventEntry, Entry: 7, State: "live"})
	}, func(e Event) error {
		last = e.ID
		if e.Kind == EventEntry && e.Entry == 7 && e.State == "live" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	// Who comes again hears what happened meanwhile.
	events.Publish(Event{Kind: EventEndpoints, Upstream: "shop"})
	err = c.Watch(t.Context(), last, nil, func(e Event) error {
		if e.Kind != EventEndpoints || e.Upstream != "shop" {
			t.Errorf("got %+v", e)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	for _, id := range []string{"deadbeef-1", "x", strings.Split(last, "-")[0] + "-99"} {
		if err := c.Watch(t.Context(), id, nil, func(Event) error { return nil }); !errors.Is(err, ErrLost) {
			t.Errorf("after %s: %v", id, err)
		}
	}
}

// TestSlowReaderIsCutOff publishes more than a reader takes: nobody waits for it, and it is told.
func TestSlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	events := NewEvents(time.Now)
	slow, err := events.read("")
	if err != nil {
		t.Fatal(err)
	}
	for range eventsQueued + 1 {
		events.Publish(Event{Kind: EventNodes})
	}
	got := 0
	for range slow.events {
		got++
	}
	if got != eventsQueued || len(events.readers) != 0 {
		t.Errorf("read %d, %d readers are left", got, len(events.readers))
	}
	events.leave(slow) // Once more, as the stream does.
	for range readersMax {
		if _, err := events.read(""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := events.read(""); err == nil {
		t.Error("without bound")
	}
	for range eventsKept * 2 {
		events.Publish(Event{Kind: EventNodes})
	}
	if len(events.kept) != eventsKept || len(events.readers) != 0 {
		t.Errorf("%d are kept, for %d readers", len(events.kept), len(events.readers))
	}
}

// TestStopEndsStreams stops a service that somebody reads events of.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	events := NewEvents(time.Now)
	c := onSocket(t, &known{events: events})
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		if err := c.Watch(t.Context(), "", events.Close, func(Event) error { return nil }); !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
	})
}
