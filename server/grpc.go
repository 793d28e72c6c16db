package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Envoys ping each connection to Gatehouse; a server that is asked more often than it allows closes the connection.
const (
	pingEvery  = 2 * time.Second
	helloLimit = 10 * time.Second
	// Gatehouse asks too, where nothing came for a while: a host that is gone says no goodbye, and its node would be taken for
	// connected.
	askAfter    = 8 * time.Second
	answerLimit = 4 * time.Second
)

// workersPerCore is how many goroutines a server keeps for its calls: with one or two for each core most calls still find
// none free, and start their own, whose stack grows anew (42 % of the service's CPU in a profile of the quickstart's policy).
const workersPerCore = 16

// maxMessage bounds what a call may bring, in bytes. The largest is an Envoy that reconnects: it names every resource it holds.
const maxMessage = 16 << 20

// Windows in bytes of HTTP/2: how much may be under way in a call, and on a connection. They stand still: gRPC would find them out by a PING
// for each round trip, which wakes both sides for nothing.
const (
	callWindow       = 1 << 20
	connectionWindow = 4 << 20
)

// door is one address on which something is served.
type door struct {
	name  string
	serve func() error
	stop  func(context.Context) error
	close func() error // Before serve was called.
}

// closeDoors gives up what was bound, where a start fails.
func (s *Server) closeDoors() {
	for _, d := range s.doors {
		_ = d.close() // The start has failed already, for a reason that is worth more.
	}
}

// stopDoors lets open calls end at all doors at once; then the management API, which came last, closes too: until then it
// says that the server is draining.
func (s *Server) stopDoors(ctx context.Context) error {
	failed := make([]error, len(s.doors))
	stop := func(i int) {
		if err := s.doors[i].stop(ctx); err != nil {
			failed[i] = fmt.Errorf("%s: %w", s.doors[i].name, err)
		}
	}
	last := max(0, len(s.doors)-1)
	var group sync.WaitGroup
	for i := range last {
		group.Go(func() { stop(i) })
	}
	group.Wait()
	if last < len(s.doors) {
		stop(last)
	}
	return errors.Join(failed...)
}

// grpcDoor is a gRPC server on one listener.
type grpcDoor struct {
	listener net.Listener
	server   *grpc.Server
}

// GRPCOptions returns the options of every gRPC server of Gatehouse, also for those that it is measured against. Calls run on
// resident goroutines: evaluation needs deep stacks, and a new goroutine for each call would grow its stack anew each time.
func GRPCOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.NumStreamWorkers(uint32(workersPerCore * runtime.GOMAXPROCS(0))),
		grpc.ConnectionTimeout(helloLimit),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: askAfter, Timeout: answerLimit}),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.StaticStreamWindowSize(callWindow),
		grpc.StaticConnWindowSize(connectionWindow),
	}
}

// newGRPCDoor returns a server for one listener, with options of its own. Messages that read and write themselves do so.
func newGRPCDoor(l net.Listener, own ...grpc.ServerOption) *grpcDoor {
	options := append(GRPCOptions(), grpc.ForceServerCodecV2(codec()))
	return &grpcDoor{listener: l, server: grpc.NewServer(append(options, own...)...)}
}

func (d *grpcDoor) serve() error {
	if err := d.server.Serve(d.listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// stop lets open calls end; when ctx ends first, they are cut off.
func (d *grpcDoor) stop(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		d.server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		d.server.Stop()
		<-done
		return fmt.Errorf("calls under way were cut off: %w", context.Cause(ctx))
	}
}
