package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/handover"
)

// handOverLimit bounds how long a successor may take to be ready, and how long the buckets may take to arrive.
const handOverLimit = 30 * time.Second

// protocol is the version of what two processes say to each other at a hand-over. A successor that speaks another refuses.
const protocol = 1

// What the two say: after hello, the new one answers ready or failed; then the old one sends buckets, as many messages as it
// takes, and goes quiet with yours; the new one takes its place with mine.
const (
	sayHello   = byte('h') // hello as JSON, from the old one.
	sayReady   = byte('r') // ready as JSON.
	sayFailed  = byte('f') // Why, as text.
	sayBuckets = byte('b') // What memory.Store.Export and Seal write.
	sayCalls   = byte('c') // What ratelimit.Service.ExportCalls returns.
	sayYours   = byte('y') // The old one counts nothing any more.
	sayMine    = byte('m') // The new one accepts connections.
)

// hello is what a successor must know before it listens.
type hello struct {
	Protocol int               `json:"protocol"`
	Sockets  []string          `json:"sockets"` // The inherited sockets, in order: name and address of the door.
	Rules    map[string]string `json:"rules"`   // The rules hash that Envoys carry now, by routeKey.
}

// ready is what a successor would serve.
type ready struct {
	Revision      string            `json:"revision"`
	Substitutions map[string]string `json:"substitutions"` // What stands in for each quarantined API.
}

// Successor tells how to start the process that is to take over. The error says why none can be.
type Successor func() (*exec.Cmd, error)

// alone is what only one process may run at a time, such as the engine of rollouts. It is started when a server serves, after
// a predecessor's was stopped, and stopped before a successor serves, or at the end.
type alone struct {
	name  string
	start func() error
	stop  func(context.Context) error
}

// HandOver starts a successor with the sockets of this server. When it is ready, it gets the buckets of all limits and takes
// over: this server accepts no more connections, and Run drains and returns. Where anything fails before, or takes more than
// 30 s, the successor is ended, this server goes on as if nothing had been, and the error says why.
func (s *Server) HandOver(ctx context.Context) error {
	if !s.handing.TryLock() {
		return errors.New("a hand-over is under way")
	}
	defer s.handing.Unlock()
	if s.handed.Load() || s.draining.Load() {
		return errors.New("this process is ending")
	}
	if s.options.Successor == nil {
		return errors.New("nothing says how to start a successor")
	}
	command, err := s.options.Successor()
	if err != nil {
		return err
	}
	s.reloading.Lock() // What is served stays the same until it is handed over.
	defer s.reloading.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, handOverLimit, fmt.Errorf("the new process is not ready within %s", handOverLimit))
	defer cancel()
	next, err := handover.Start(command, s.listeners())
	if err != nil {
		return err
	}
	s.log.Info("handing over", "pid", next.PID(), "program", command.Path)
	if err := s.give(ctx, next); err != nil {
		err = errors.Join(s.why(ctx, next, err), next.Kill())
		s.unsealBuckets()
		if s.forward != nil {
			err = errors.Join(err, s.forward.Close())
			s.forward = nil
		}
		if !s.draining.Load() { // Meanwhile somebody may have stopped this server.
			err = errors.Join(err, s.begin())
		}
		return err
	}
	s.leave(next)
	return nil
}

// give tells the successor all that it must know, until it serves.
func (s *Server) give(ctx context.Context, next *handover.Successor) error {
	text, err := json.Marshal(hello{Protocol: protocol, Sockets: s.socketNames(), Rules: rulesOf(s.live.Load().compiled)})
	if err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	if err := next.Send(ctx, sayHello, text); err != nil {
		return err
	}
	if err := s.awaitReady(ctx, next); err != nil {
		return err
	}
	if err := s.end(ctx); err != nil {
		return err
	}
	send := func(piece []byte) error { return next.Send(ctx, sayBuckets, piece) }
	if err := s.exportBuckets(send); err != nil {
		return err
	}
	if err := s.forwardTo(next.Calls); err != nil {
		return err
	}
	if err := s.sealBuckets(send); err != nil {
		return err
	}
	if err := errors.Join(next.Send(ctx, sayCalls, s.ratelimit.ExportCalls()), next.Send(ctx, sayYours, nil)); err != nil {
		return err
	}
	_, err = expect(ctx, next.Channel, sayMine)
	return err
}

// awaitReady waits for a successor that serves nothing worse than this server does.
func (s *Server) awaitReady(ctx context.Context, next *handover.Successor) error {
	m, err := expect(ctx, next.Channel, sayReady)
	if err != nil {
		return err
	}
	var r ready
	if err := json.Unmarshal(m.Body, &r); err != nil {
		return fmt.Errorf("read what the new process serves: %w", err)
	}
	now := substitutionsOf(s.live.Load().substitutions)
	for object, with := range r.Substitutions {
		if now[object] != with {
			return fmt.Errorf("the new process would serve %s by %s: mend its documents first", object, with)
		}
	}
	return nil
}

// expect returns the next message, which must be of a kind. Another one may say why the other side cannot go on.
func expect(ctx context.Context, c *handover.Channel, kind byte) (handover.Message, error) {
	m, err := c.Receive(ctx)
	switch {
	case err != nil:
		return m, err
	case m.Kind == sayFailed:
		return m, fmt.Errorf("the new process cannot take over: %s", m.Body)
	case m.Kind != kind:
		return m, fmt.Errorf("expected %q at the hand-over, got %q", kind, m.Kind)
	}
	return m, nil
}

// why adds to an error how the new process ended, where it did.
func (s *Server) why(ctx context.Context, next *handover.Successor, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	select {
	case <-next.Ended():
		return fmt.Errorf("the new process ended before it took over (%s); what it wrote says why", next.State())
	case <-ctx.Done():
		return err
	}
}

// forwardTo lets limit calls that still come here go to the successor once the buckets are sealed.
func (s *Server) forwardTo(calls net.Conn) error {
	dialled := make(chan net.Conn, 1)
	dialled <- calls
	client, err := grpc.NewClient("passthrough:///successor", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-dialled:
				return c, nil
			default:
				return nil, errors.New("the successor is gone")
			}
		}))
	if err != nil {
		return fmt.Errorf("reach the new process: %w", err)
	}
	s.forward = client
	s.ratelimit.Forward(client)
	return nil
}

// leave stops accepting connections without removing the sockets, which are the successor's now, and lets Run end.
func (s *Server) leave(next *handover.Successor) {
	s.handed.Store(true)
	for _, o := range s.sockets {
		keepFile(o.listener)
		_ = o.listener.Close() // Its door finds out.
	}
	s.log.Info("handed over", "pid", next.PID())
	if s.options.Handed != nil {
		s.options.Handed(next.PID())
	}
	close(s.left)
}

// begin starts what only one process may run, and end stops it.
func (s *Server) begin() error {
	var errs []error
	for _, a := range s.alone {
		if err := a.start(); err != nil {
			errs = append(errs, fmt.Errorf("start %s: %w", a.name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) end(ctx context.Context) error {
	for _, a := range s.alone {
		if err := a.stop(ctx); err != nil {
			return fmt.Errorf("stop %s: %w", a.name, err)
		}
	}
	return nil
}

// substitutionsOf returns what stands in for each quarantined API.
func substitutionsOf(all []gateway.Substitution) map[string]string {
	out := map[string]string{}
	for _, x := range all {
		out[x.Object.String()] = x.With
	}
	return out
}
