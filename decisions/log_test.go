package decisions_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestAppend holds the writer against encoding/json, with every field of the type set.
func TestAppend(t *testing.T) {
	t.Parallel()
	full := refusal("r-1", noon())
	full.Mode = gateway.Shadow
	full.Detail = "line\nfeed \"quoted\" \x01"
	full.Identity = &gateway.Identity{
		Kind: gateway.ByKey, Consumer: "c", Issuer: "i", Application: "a", Plan: "p", Scopes: []string{"x", "y"},
	}
	full.Shadows = []gateway.ShadowDecision{{Policy: "p", Result: "denied", Reason: "why"}, {Policy: "q", Result: "allowed"}}
	full.Input, full.Lacks = json.RawMessage(`{"a":[1,2]}`), []string{gateway.LacksBody}
	full.Erased, full.Masked = []string{"/input/x"}, []string{"/input/y"}
	for _, d := range []gateway.Decision{full, refusal("r-2", noon()), passage("", noon()), {}} {
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fields(t, want), fields(t, decisions.Append(nil, &d))); diff != "" {
			t.Errorf("written (-encoding/json +ours):\n%s", diff)
		}
	}
	var set map[string]any
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	if len(set) != fieldsOf(t) {
		t.Errorf("this test sets %d fields of a decision, and it has %d: set the new ones, and write them", len(set), fieldsOf(t))
	}
}

func fields(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func fieldsOf(t *testing.T) int {
	t.Helper()
	return reflect.TypeFor[gateway.Decision]().NumField()
}

func TestLogWritesLines(t *testing.T) {
	t.Parallel()
	sink := &lines{}
	l := newLog(t, decisions.Options{Lines: sink})
	want := []gateway.Decision{refusal("r-1", noon()), passage("r-2", noon())}
	for _, d := range want {
		l.Put(pending(d))
	}
	stop(t, l)
	if diff := cmp.Diff(want, sink.read(t)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if !sink.closed {
		t.Error("the sink is open after the end")
	}
}

// TestFullQueueDrops puts more than fits while the sink stands still: nobody waits, and what is lost is counted.
func TestFullQueueDrops(t *testing.T) {
	t.Parallel()
	sink := &lines{blocks: make(chan struct{}), begun: make(chan struct{}, 1000)}
	journal := openJournal(t, t.TempDir(), 0)
	l := newLog(t, decisions.Options{Lines: sink, Journal: journal, Queue: 64})
	const putters, each = 100, 100 // 10,000 in all.
	var all sync.WaitGroup
	begun := time.Now()
	for range putters {
		all.Go(func() {
			for range each {
				l.Put(pending(refusal("r", noon())))
			}
		})
	}
	all.Wait()
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("putting took %s: it waits", took)
	}
	<-sink.begun // It stands still.
	close(sink.blocks)
	stop(t, l)
	c := l.Counts()
	if c.Written+c.Dropped != putters*each || c.Dropped == 0 {
		t.Errorf("%d written and %d dropped, of %d", c.Written, c.Dropped, putters*each)
	}
	if got := uint64(len(sink.read(t))); got+c.Lost["log"] != c.Written {
		t.Errorf("%d lines and %d lost, of %d written", got, c.Lost["log"], c.Written)
	}
}

// TestQueueIsBoundedInBytes puts heavy requests.
func TestQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := newLog(t, decisions.Options{Bytes: 1000})
	l.Put(waiting{d: refusal("r", noon()), weight: 1001})
	if c := l.Counts(); c.Dropped != 1 {
		t.Errorf("%+v: what is heavier than all that may wait is dropped", c)
	}
	for range 50 { // What was dropped weighs nothing any more.
		l.Put(waiting{d: refusal("r", noon()), weight: 10})
	}
	stop(t, l)
	if c := l.Counts(); c.Dropped+c.Written != 51 || c.Written == 0 {
		t.Errorf("%+v", c)
	}
}

// TestBlockedSinkHoldsUpNoOther asks the journal while the log stands still.
func TestBlockedSinkHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	sink := &lines{blocks: make(chan struct{}), begun: make(chan struct{}, 1000)}
	journal := openJournal(t, t.TempDir(), 0)
	l := newLog(t, decisions.Options{Lines: sink, Journal: journal})
	l.Put(pending(refusal("r-1", noon())))
	<-sink.begun
	l.Put(pending(refusal("r-2", noon())))
	known(t, journal, "r-2")
	close(sink.blocks)
}

// known waits until a journal has a request.
func known(t *testing.T, j *decisions.Journal, request string) []gateway.Decision {
	t.Helper()
	until := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := j.Of(request)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return found
		}
		select {
		case <-until:
			t.Fatalf("nothing is known of %s", request)
		case <-tick.C:
		}
	}
}

// TestSinkComesBack fails for a while; what comes later is written.
func TestSinkComesBack(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	sink := &lines{fails: errors.New("no space left on device")}
	journal := openJournal(t, t.TempDir(), 0)
	l := newLog(t, decisions.Options{Lines: sink, Journal: journal, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	l.Put(pending(refusal("r-1", noon())))
	known(t, journal, "r-1")
	lost(t, l, 1)
	sink.fail(nil)
	l.Put(pending(refusal("r-2", noon())))
	stop(t, l)
	if diff := cmp.Diff([]string{"r-2"}, requests(sink.read(t))); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if n := bytes.Count(said.Bytes(), []byte("cannot be written")); n != 1 {
		t.Errorf("%d complaints, want 1:\n%s", n, &said)
	}
}

func lost(t *testing.T, l *decisions.Log, want uint64) {
	t.Helper()
	until := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.Counts().Lost["log"] < want {
		select {
		case <-until:
			t.Fatalf("%+v", l.Counts())
		case <-tick.C:
		}
	}
}

// TestPanicOfOneDecision leaves out what cannot be written.
func TestPanicOfOneDecision(t *testing.T) {
	t.Parallel()
	sink := &lines{}
	l := newLog(t, decisions.Options{Lines: sink})
	l.Put(pending(refusal("r-1", noon())))
	l.Put(waiting{panics: true})
	l.Put(pending(refusal("r-2", noon())))
	stop(t, l)
	if diff := cmp.Diff([]string{"r-1", "r-2"}, requests(sink.read(t))); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if c := l.Counts(); c.Failed != 1 || c.Written != 2 {
		t.Errorf("%+v", c)
	}
}

// TestFullDisk writes where no space is left: every line is counted as lost, and whoever decides waits for nothing.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := decisions.OpenFile("/dev/full", 1<<20, 1)
	if err != nil {
		t.Skip("this system has no device that is always full:", err)
	}
	journal := openJournal(t, t.TempDir(), 0)
	l := newLog(t, decisions.Options{Lines: full, Journal: journal})
	for i := range 100 {
		l.Put(pending(refusal(fmt.Sprintf("r-%d", i), noon())))
	}
	lost(t, l, 100)
	known(t, journal, "r-99")
}
