//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/echo"
)

// The traffic under which changes are made.
const (
	perSecond     = 500    // Requests, whether or not those before them are answered.
	clientsHTTP1  = 24     // Each with a connection of its own, which it keeps.
	clientsHTTP2  = 8      // All on one connection.
	maxWaiting    = 10_000 // Requests for which no client is free: all that are due after this process has been kept waiting.
	slowFrom      = 150 * time.Millisecond
	maxComplaints = 20 // That are told word by word.
)

// long reports whether the long form is asked for, `make e2e-long`.
func long() bool { return os.Getenv("GATEHOUSE_LONG") != "" }

// times returns how often something is done in the short form and in the long one.
func times(short, whole int) int {
	if long() {
		return whole
	}
	return short
}

// aim is a request that traffic sends, and by which backends it may be answered.
type aim struct {
	path     string
	header   http.Header
	backends []string
	flips    bool // The backend must have got the header x-flip with its own name: routes and headers change together.
}

// aims are what traffic sends in turns. They count the requests under way, so that the next can begin where these have ended.
type aims struct {
	list    []aim
	pending sync.WaitGroup
}

// ticket is a request to be sent.
type ticket struct {
	number int64
	aims   *aims
}

// traffic sends requests at a steady rate on connections of its own, and complains of each that is not answered as it should be.
// Nothing is tried twice: a connection that Envoy closes without having said so is a lost request.
type traffic struct {
	t        *testing.T
	address  string
	rate     int               // Requests a second.
	excuses  func(string) bool // Complaints that are only counted; nil: none. What they mean is for the test to say.
	began    time.Time
	aims     atomic.Pointer[aims]
	tickets  chan ticket
	swap     sync.RWMutex // Read-held while a request is counted, held while the aims are exchanged.
	sent     atomic.Int64
	slowest  atomic.Int64 // Nanoseconds.
	slow     atomic.Int64 // Requests that took slowFrom or longer.
	shared   sharedConn
	clients  sync.WaitGroup
	cancel   context.CancelFunc
	mu       sync.Mutex       // Held for what follows.
	last     map[string]int64 // How many requests were sent when a backend answered last.
	failed   int
	excused  int
	complain []string
}

// traffic starts to send requests to a listener.
func (w *world) traffic(port string, list ...aim) *traffic {
	w.t.Helper()
	return w.trafficAt(port, perSecond, clientsHTTP1, list...)
}

// trafficAt is traffic at a rate, with a number of clients that have a connection of their own.
func (w *world) trafficAt(port string, rate, clients int, list ...aim) *traffic {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &traffic{
		t: w.t, address: "127.0.0.1:" + w.values[port], rate: rate, began: time.Now(), cancel: cancel,
		tickets: make(chan ticket, maxWaiting), last: map[string]int64{},
	}
	r.shared.address = r.address
	r.aims.Store(&aims{list: list})
	for range clients {
		r.clients.Go(func() { r.client(&ownConn{address: r.address}) })
	}
	for range clientsHTTP2 {
		r.clients.Go(func() { r.client(&r.shared) })
	}
	r.clients.Go(func() { r.clock(ctx) })
	w.t.Cleanup(func() {
		cancel()
		r.clients.Wait()
		r.shared.end()
	})
	return r
}

// aim sends something else from now on, and returns when all that was sent before is answered.
func (r *traffic) aim(list ...aim) {
	r.t.Helper()
	r.swap.Lock()
	before := r.aims.Swap(&aims{list: list})
	r.swap.Unlock()
	before.pending.Wait() // Each request has a deadline.
}

// stop ends the traffic and fails the test if a request was lost.
func (r *traffic) stop() {
	r.t.Helper()
	r.cancel()
	r.clients.Wait()
	r.shared.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, took := r.sent.Load(), time.Since(r.began)
	if r.failed > 0 {
		r.t.Errorf("of %d requests %d failed, such as\n%s", sent, r.failed, strings.Join(r.complain, "\n"))
	}
	if rate := float64(sent) / took.Seconds(); rate < float64(r.rate)/2 {
		r.t.Errorf("%.0f requests/s were sent, want %d: no load", rate, r.rate)
	}
	r.t.Logf("%d requests in %v, the slowest took %v, %d took %v or more", sent, took.Round(time.Millisecond),
		time.Duration(r.slowest.Load()).Round(time.Millisecond), r.slow.Load(), slowFrom)
}

// clock hands out as many requests as are due, on time or late, but never fewer.
func (r *traffic) clock(ctx context.Context) {
	defer close(r.tickets)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int64(time.Since(r.began).Seconds() * float64(r.rate)); n < due; n++ {
			r.swap.RLock()
			to := r.aims.Load()
			to.pending.Add(1)
			r.swap.RUnlock()
			select {
			case r.tickets <- ticket{number: n, aims: to}:
			default:
				to.pending.Done()
				r.complaint("not sent: %d requests wait for an answer already", maxWaiting)
			}
		}
	}
}

// client sends requests on one connection.
func (r *traffic) client(conn sender) {
	defer conn.close()
	for t := range r.tickets {
		aim := t.aims.list[t.number%int64(len(t.aims.list))]
		began := time.Now()
		by, err := aim.send(conn)
		if err != nil {
			r.complaint("%s: %v", aim.path, err)
		}
		took := int64(time.Since(began))
		if took >= int64(slowFrom) {
			r.slow.Add(1)
		}
		for most := r.slowest.Load(); took > most && !r.slowest.CompareAndSwap(most, took); most = r.slowest.Load() {
		}
		sent := r.sent.Add(1)
		r.mu.Lock()
		r.last[by] = sent
		r.mu.Unlock()
		t.aims.pending.Done()
	}
}

func (r *traffic) complaint(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if r.excuses != nil && r.excuses(text) {
		r.excused++
		return
	}
	if r.failed++; len(r.complain) < maxComplaints {
		r.complain = append(r.complain, fmt.Sprintf("after %v: %s", time.Since(r.began).Round(time.Millisecond), text))
	}
}

// quiet is after how many requests to others a backend is known to get none. Each of 20 would have got ten of them.
const quiet = 200

// left waits until some backends get no requests any more: that an Envoy has acknowledged a list without them does not say
// yet that its workers choose by it.
func (r *traffic) left(backends []string) {
	r.t.Helper()
	from := r.sent.Load()
	eventually(r.t, fmt.Sprintf("requests go to others than %q", backends), func() bool {
		sent := r.sent.Load()
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, name := range backends {
			if sent-max(from, r.last[name]) < quiet {
				return false
			}
		}
		return true
	})
}

// send sends one request, checks the answer, and returns which backend gave it.
func (a aim) send(conn sender) (by string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bank.test"+a.path, http.NoBody)
	if err != nil {
		return "", err
	}
	maps.Copy(request.Header, a.header)
	status, body, err := conn.send(request)
	if err != nil {
		return "", err
	}
	var got echo.Answer
	if status != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", status, bytes.TrimSpace(body))
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return "", fmt.Errorf("the body is no answer of a backend: %w", err)
	}
	if !slices.Contains(a.backends, got.Name) {
		return got.Name, fmt.Errorf("answered by %q, want one of %q", got.Name, a.backends)
	}
	if flip := got.Headers["x-flip"]; a.flips && !slices.Equal(flip, []string{got.Name}) {
		return got.Name, fmt.Errorf("%q got the header x-flip %q", got.Name, flip)
	}
	return got.Name, nil
}

// sender sends one request on a connection that it keeps, and never a second time.
type sender interface {
	send(*http.Request) (status int, body []byte, err error)
	close()
}

// ownConn is a connection of HTTP/1.1.
type ownConn struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

func (c *ownConn) send(r *http.Request) (int, []byte, error) {
	if c.conn == nil {
		conn, err := new(net.Dialer).DialContext(r.Context(), "tcp", c.address)
		if err != nil {
			return 0, nil, err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	status, body, last, err := c.exchange(r)
	if err != nil || last {
		c.close()
	}
	return status, body, err
}

// exchange sends and receives. last: the other side has said that it closes the connection.
func (c *ownConn) exchange(r *http.Request) (status int, body []byte, last bool, err error) {
	deadline, _ := r.Context().Deadline()
	if err := c.conn.SetDeadline(deadline); err != nil {
		return 0, nil, false, err
	}
	if err := r.Write(c.conn); err != nil {
		return 0, nil, false, err
	}
	response, err := http.ReadResponse(c.reader, r)
	if err != nil {
		return 0, nil, false, fmt.Errorf("no answer: %w", err)
	}
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, response.Close, errors.Join(err, response.Body.Close())
}

func (c *ownConn) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// sharedConn is a connection of HTTP/2 that many clients use.
type sharedConn struct {
	address string
	mu      sync.Mutex // Held for conn.
	conn    *http.ClientConn
}

func (c *sharedConn) send(r *http.Request) (int, []byte, error) {
	conn, err := c.current(r.Context())
	if err != nil {
		return 0, nil, err
	}
	response, err := conn.RoundTrip(r)
	if err != nil {
		return 0, nil, fmt.Errorf("no answer by HTTP/2: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, errors.Join(err, response.Body.Close())
}

// current returns the connection, or a new one where the other side has said that it takes no more requests there.
func (c *sharedConn) current(ctx context.Context) (*http.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Err() == nil {
		return c.conn, nil
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	conn, err := transport.NewClientConn(ctx, "http", c.address)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	return conn, nil
}

// close does nothing, as the others may go on: end closes the connection.
func (c *sharedConn) close() {}

func (c *sharedConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
