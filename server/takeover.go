package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/handover"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// opened is a listening socket, and the door and address that it is for.
type opened struct {
	name     string
	listener handover.Listener
}

// open returns the socket of a door: an inherited one, or what listen makes. It is kept for a successor.
func (s *Server) open(door, address string, listen func() (net.Listener, error)) (net.Listener, error) {
	name := door + " " + address
	l, ok := s.inherited[name]
	if ok {
		delete(s.inherited, name)
	} else {
		var err error
		if l, err = listen(); err != nil {
			return nil, err
		}
	}
	if able, ok := l.(handover.Listener); ok {
		s.sockets = append(s.sockets, opened{name, able})
	}
	return l, nil
}

// listeners returns the sockets for a successor, and socketNames what each is for.
func (s *Server) listeners() []handover.Listener {
	out := make([]handover.Listener, len(s.sockets))
	for i, o := range s.sockets {
		out[i] = o.listener
	}
	return out
}

func (s *Server) socketNames() []string {
	out := make([]string, len(s.sockets))
	for i, o := range s.sockets {
		out[i] = o.name
	}
	return out
}

// keepFile lets the file of a Unix socket stay when the listener is closed, and dropFile lets it go.
func keepFile(l net.Listener) { unlinkOnClose(l, false) }
func dropFile(l net.Listener) { unlinkOnClose(l, true) }

func unlinkOnClose(l net.Listener, unlink bool) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(unlink)
	}
}

// greet hears from the predecessor which sockets are whose. Until the predecessor has left they are not removed, whatever
// happens here.
func (s *Server) greet(ctx context.Context) error {
	p := s.options.Predecessor
	m, err := expect(ctx, p.Channel, sayHello)
	if err != nil {
		return fmt.Errorf("hear the predecessor: %w", err)
	}
	var h hello
	if err := json.Unmarshal(m.Body, &h); err != nil {
		return fmt.Errorf("understand the predecessor: %w", err)
	}
	if h.Protocol != protocol || len(h.Sockets) != len(p.Listeners) {
		return fmt.Errorf("the predecessor hands over by protocol %d with %d sockets, and %d with %d are expected: stop it, and start this version anew",
			h.Protocol, len(h.Sockets), protocol, len(p.Listeners))
	}
	for i, name := range h.Sockets {
		s.inherited[name] = p.Listeners[i]
	}
	s.carried = h.Rules
	return nil
}

// takeOver tells the predecessor that this server is ready, and gets what it counted. From then on the predecessor accepts
// nothing, or has ended.
func (s *Server) takeOver(ctx context.Context) error {
	p := s.options.Predecessor
	now := s.live.Load()
	s.alias(now.compiled)
	text, err := json.Marshal(ready{Revision: now.revision.ID, Substitutions: substitutionsOf(now.substitutions)})
	if err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	if err := p.Send(ctx, sayReady, text); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	for {
		m, err := p.Receive(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.log.Warn("the predecessor ended before it had handed over its counts")
			s.loadBuckets() // Beside those that came.
		case err != nil:
			return fmt.Errorf("take over: %w", err)
		case m.Kind == sayBuckets:
			if err := s.importBuckets(m.Body); err != nil {
				return fmt.Errorf("take over: %w", err)
			}
			continue
		case m.Kind == sayCalls:
			if err := s.ratelimit.ImportCalls(m.Body); err != nil {
				return fmt.Errorf("take over: %w", err)
			}
			continue
		case m.Kind != sayYours:
			return fmt.Errorf("take over: the predecessor says %q", m.Kind)
		}
		break
	}
	for _, o := range s.sockets {
		dropFile(o.listener)
	}
	for _, l := range s.inherited { // What this version or these flags do not serve any more.
		dropFile(l)
		_ = l.Close() // Nobody accepts on it.
	}
	s.answerPredecessor(p.Calls)
	return nil
}

// answerPredecessor adds a door for the limit calls that the predecessor still gets: it counts nothing any more.
func (s *Server) answerPredecessor(calls net.Conn) {
	l := &single{conn: calls, closed: make(chan struct{})}
	d := newGRPCDoor(l)
	s.ratelimit.Register(d.server)
	s.doors = append([]door{{name: "predecessor", serve: d.serve, stop: d.stop, close: l.Close}}, s.doors...)
}

// routeKey names a route beyond the Revision that it is of.
func routeKey(r *gateway.Route) string { return r.Gateway.Name + "/" + r.Name }

// rulesOf returns which rules hash the Envoys carry for each route.
func rulesOf(c *compiled) map[string]string {
	out := map[string]string{}
	if c != nil {
		for _, r := range c.revision.Routes {
			out[routeKey(r)] = r.Rules
		}
	}
	return out
}

// alias makes the services know the rules of this revision also by the hashes that the predecessor gave them: another version of
// Gatehouse may hash the same rules differently, and Envoys carry the old hash until they have their new routes.
func (s *Server) alias(c *compiled) {
	former := *c.revision
	former.Routes = nil
	former.ID += "-former"
	for _, r := range c.revision.Routes {
		if hash, ok := s.carried[routeKey(r)]; ok && hash != r.Rules {
			named := *r
			named.Rules = hash
			former.Routes = append(former.Routes, &named)
		}
	}
	if len(former.Routes) == 0 {
		return
	}
	checks, faults := authz.Compile(&former, c.authz)
	limits, more := ratelimit.Compile(&former, c.ratelimit)
	if faults = append(faults, more...); len(faults) > 0 { // They are those of the revision itself, which has none.
		s.log.Warn("rules of the predecessor are not known", "faults", gateway.Faults(faults).Error())
		return
	}
	s.authz.Use(checks)
	s.authz.Use(c.authz)
	s.ratelimit.Use(limits)
	s.ratelimit.Use(c.ratelimit)
	s.log.Info("rules are hashed anew", "routes", len(former.Routes))
}

// single is a listener with one connection.
type single struct {
	mu     sync.Mutex
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept returns the connection, and later blocks until Close.
func (l *single) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.conn
	l.conn = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close ends Accept; the connection belongs to who accepted it.
func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns a name for logs.
func (l *single) Addr() net.Addr { return &net.UnixAddr{Name: "predecessor", Net: "unix"} }
