// Package nameserver is a small DNS server on loopback, for tests: a real one, whose answers can be changed, withheld and made to
// fail while it runs.
//
// In: records by name, set by a test. Out: answers over UDP, and a resolver that asks nobody else.
package nameserver

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer is what the server says about one name.
type Answer struct {
	Addresses []string // IP addresses.
	SRV       []net.SRV
	Fail      bool // SERVFAIL.
	Hang      bool // No answer at all.
}

// Server answers for the names it was told, and that there is no such name for all others.
type Server struct {
	conn net.PacketConn

	mu      sync.Mutex
	answers map[string]Answer
	asked   map[string]int
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{conn: conn, answers: map[string]Answer{}, asked: map[string]int{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serve()
	}()
	t.Cleanup(func() {
		_ = conn.Close() // Ends serve.
		<-ended
	})
	return s
}

// Set says what is answered about a name from now on.
func (s *Server) Set(name string, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = a
}

// Asked returns how many questions about a name have come.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// Resolver asks this server and nobody else.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *Server) serve() {
	packet := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		if reply := s.reply(packet[:n]); reply != nil {
			_, _ = s.conn.WriteTo(reply, from) // Who asked asks again where it is lost.
		}
	}
}

// reply returns the answer to a packet, nil for none.
func (s *Server) reply(packet []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	s.mu.Lock()
	a, known := s.answers[name]
	s.asked[name]++
	s.mu.Unlock()
	if a.Hang {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch {
	case a.Fail:
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	}
	m.Answers = answersOf(q, a)
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func answersOf(q dnsmessage.Question, a Answer) []dnsmessage.Resource {
	var out []dnsmessage.Resource
	add := func(body dnsmessage.ResourceBody) {
		out = append(out, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: body,
		})
	}
	for _, text := range a.Addresses {
		address := netip.MustParseAddr(text)
		switch {
		case q.Type == dnsmessage.TypeA && address.Is4():
			add(&dnsmessage.AResource{A: address.As4()})
		case q.Type == dnsmessage.TypeAAAA && address.Is6():
			add(&dnsmessage.AAAAResource{AAAA: address.As16()})
		}
	}
	for _, r := range a.SRV {
		if q.Type == dnsmessage.TypeSRV {
			add(&dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: dnsmessage.MustNewName(r.Target)})
		}
	}
	return out
}
