package decisions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// noon is when these tests happen.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC) }

// refusal is a refusal of a request.
func refusal(request string, at time.Time) gateway.Decision {
	return gateway.Decision{
		ID: "d-" + request, RequestID: request, Time: at, Fleet: "edge", Node: "edge-1", By: gateway.ByGatehouse,
		API: "payments", Version: "v1", Operation: "getPayment", Rules: "r1", Method: "GET", Path: "/payments/alice", Policy: "bank.payments",
		Result: "denied", Status: 403, Code: gateway.ProblemDenied, Reason: "not-owner", Duration: 40 * time.Microsecond,
		Identity: &gateway.Identity{Kind: gateway.ByJWT, Consumer: "bob", Issuer: "https://id.nordhaven.test"},
	}
}

// passage is an allowed request.
func passage(request string, at time.Time) gateway.Decision {
	d := refusal(request, at)
	d.Result, d.Status, d.Code, d.Reason = gateway.ResultAllowed, 0, "", ""
	return d
}

// pending makes a decision wait.
func pending(d gateway.Decision) decisions.Pending { return waiting{d: d} }

type waiting struct {
	d      gateway.Decision
	weight int
	panics bool
}

func (w waiting) Fleet() string { return w.d.Fleet }

func (w waiting) Weight() int { return max(w.weight, 100) }

func (w waiting) Decision(bool) gateway.Decision {
	if w.panics {
		panic("cannot be written")
	}
	return w.d
}

// lines is a sink in memory, which may be told to block or to fail.
type lines struct {
	mu     sync.Mutex
	text   bytes.Buffer
	fails  error
	blocks chan struct{} // Each write waits for it to be closed; nil: none does.
	begun  chan struct{} // Gets one for each write that waits.
	closed bool
}

func (l *lines) Write(p []byte) (int, error) {
	if l.blocks != nil {
		l.begun <- struct{}{}
		<-l.blocks
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails != nil {
		return 0, l.fails
	}
	return l.text.Write(p)
}

func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

func (l *lines) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = err
}

// read returns the decisions that were written.
func (l *lines) read(t *testing.T) []gateway.Decision {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []gateway.Decision
	for line := range bytes.Lines(l.text.Bytes()) {
		var d gateway.Decision
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatalf("%s is no decision: %v", line, err)
		}
		all = append(all, d)
	}
	return all
}

// newLog returns a log that ends with the test.
func newLog(t *testing.T, o decisions.Options) *decisions.Log {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := decisions.New(o)
	t.Cleanup(func() { stop(t, l) })
	return l
}

// stop ends a log; more than once does no harm.
func stop(t *testing.T, l *decisions.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := l.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// openJournal opens a journal.
func openJournal(t *testing.T, dir string, bytes int64) *decisions.Journal {
	t.Helper()
	j, err := decisions.OpenJournal(dir, bytes, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// requests returns the ids of the requests of decisions.
func requests(all []gateway.Decision) []string {
	ids := make([]string, len(all))
	for i, d := range all {
		ids[i] = d.RequestID
	}
	return ids
}

func request(i int) string { return fmt.Sprintf("6d7a5e9f-6b8c-4a53-9a15-%012d", i) }
