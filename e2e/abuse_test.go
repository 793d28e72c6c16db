//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// abused sends to one Envoy what clients send that want to use it up: each is stopped, by an answer or by the end of its
// connection, and meanwhile a client that behaves is answered.
func abused(t *testing.T, p programs) {
	const connections = 60
	w := newTown(t, p, map[string]string{"bank.yaml": outage}, fmt.Sprintf("GATEHOUSE_CONNECTIONS=%d", connections))
	address := "127.0.0.1:" + w.values["PORT"]
	var group sync.WaitGroup
	group.Go(func() { slowHeaders(t, address) })
	for name, attack := range floods() {
		group.Go(func() { flood(t, address, name, attack) })
	}
	group.Go(func() { largeHeaders(t, address, "x-large: "+strings.Repeat("x", 64<<10)+"\r\n") })
	group.Go(func() { largeHeaders(t, address, strings.Repeat("x-many: x\r\n", 101)) })
	w.answers("while some abuse it", whole())
	group.Wait()
	w.answers("after some have abused it", whole())
	tooMany(t, w, address, connections)
}

// dialTCP connects with a deadline for everything.
func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	return c
}

// slowHeaders sends a request one byte at a time: the bound is on the whole of its headers, not on the time between two.
func slowHeaders(t *testing.T, address string) {
	t.Helper()
	c := dialTCP(t, address)
	if c == nil {
		return
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		_, err := io.WriteString(c, "GET /public HTTP/1.1\r\nhost: bank.test\r\nx-slow: ")
		for err == nil {
			select {
			case <-done:
				return
			case <-tick.C:
				_, err = io.WriteString(c, "x")
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("slow headers: %v", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("slow headers are answered with %s", resp.Status)
	}
}

// largeHeaders sends more than 60 KiB of headers, or more than a hundred.
func largeHeaders(t *testing.T, address, headers string) {
	t.Helper()
	c := dialTCP(t, address)
	if c == nil {
		return
	}
	// It may hang up before all is written.
	_, _ = io.WriteString(c, "GET /public HTTP/1.1\r\nhost: bank.test\r\n"+headers+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("large headers: %v", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || resp.Header.Get("content-type") != "application/problem+json" {
		t.Errorf("large headers are answered with %s, %v", resp.Status, resp.Header)
	}
}

// floods are what an HTTP/2 client may send without end, each as one step of it (RFC 9113, 10.5). id is odd and rises.
func floods() map[string]func(f *http2.Framer, headers []byte, id uint32) error {
	return map[string]func(f *http2.Framer, headers []byte, id uint32) error{
		"requests taken back at once": func(f *http2.Framer, headers []byte, id uint32) error {
			return errors.Join(
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers, EndHeaders: true, EndStream: true}),
				f.WriteRSTStream(id, http2.ErrCodeCancel))
		},
		"pings whose answers nobody reads":    func(f *http2.Framer, _ []byte, _ uint32) error { return f.WritePing(false, [8]byte{}) },
		"settings whose answers nobody reads": func(f *http2.Framer, _ []byte, _ uint32) error { return f.WriteSettings() },
		"headers that never end": func(f *http2.Framer, headers []byte, id uint32) error {
			if id == 1 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers})
			}
			return f.WriteContinuation(1, false, bytes.Repeat(headers, 100))
		},
		"data that is empty": func(f *http2.Framer, headers []byte, id uint32) error {
			if id == 1 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers, EndHeaders: true})
			}
			return f.WriteData(1, false, nil)
		},
	}
}

// flood repeats a step until the connection ends.
func flood(t *testing.T, address, name string, step func(*http2.Framer, []byte, uint32) error) {
	t.Helper()
	c := dialTCP(t, address)
	if c == nil {
		return
	}
	var headers bytes.Buffer
	encoder := hpack.NewEncoder(&headers)
	encoder.SetMaxDynamicTableSizeLimit(0) // The same bytes mean the same each time.
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "bank.test"}, {":path", "/public"}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			t.Error(err)
		}
	}
	_, err := io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, nil)
	if err := errors.Join(err, f.WriteSettings()); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	steps := 0
	for ; err == nil; steps++ {
		err = step(f, headers.Bytes(), uint32(2*steps+1))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: after %d the connection still stands", name, steps)
	}
}

// tooMany opens more connections than one Envoy takes. Those above are closed at once, and its own management and Gatehouse's
// are not kept out.
func tooMany(t *testing.T, w *town, address string, most int) {
	t.Helper()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	var open []net.Conn
	closed := make(chan struct{}, 3*most)
	for range 3 * most {
		c := dialTCP(t, address)
		if c == nil {
			continue
		}
		open = append(open, c)
		go func() {
			if _, err := c.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				closed <- struct{}{}
			}
		}()
	}
	w.eventually("what is too much is closed", func() bool { return len(closed) >= len(open)-most })
	w.healthy(t, w.places(), "gatehouse", "bootstrap", "--check")
	w.healthy(t, w.places(), "gatehouse", "serve", "--check")
	if got := len(open) - len(closed); got < most/2 {
		t.Errorf("only %d connections are open, and %d are allowed", got, most)
	}
	for _, c := range open {
		_ = c.Close() // Nothing was sent.
	}
	w.answersAgain(whole())
}
