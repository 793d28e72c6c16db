package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/socket"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// bind listens for a door at an address, and returns the address as bound. What a predecessor has bound is taken as it is.
func (s *Server) bind(ctx context.Context, door, address string) (net.Listener, string, error) {
	if path, ok := strings.CutPrefix(address, envoy.SocketScheme); ok {
		l, err := s.open(door, address, func() (net.Listener, error) { return s.bindSocket(ctx, path) })
		return s.guard(l, path), address, err
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, "", fmt.Errorf("the address %q is neither unix:/path nor IP:port: %w", address, err)
	}
	if !ap.Addr().IsLoopback() {
		return nil, "", fmt.Errorf("the address %s can be reached from other hosts, and nothing there proves who calls: use a Unix socket, or 127.0.0.1; Envoys of other hosts come to --nodes-address, over mutual TLS", address)
	}
	l, err := s.open(door, address, func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", address) })
	if err != nil {
		return nil, "", fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, l.Addr().String(), nil
}

// bindSocket listens on a Unix socket. A socket that a killed process left behind is
// replaced; one on which somebody answers is not.
func (s *Server) bindSocket(ctx context.Context, path string) (net.Listener, error) {
	l, err := socket.Listen(ctx, path)
	switch {
	case errors.Is(err, socket.ErrInUse):
		return nil, fmt.Errorf("somebody serves on %s already: stop it, or choose another state directory", path)
	case err != nil:
		return nil, err
	}
	// Other users are told apart by their uid at each connection; the mode lets an allowed one in.
	if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // The directory is 0700, and peers are checked.
		return nil, errors.Join(fmt.Errorf("socket mode: %w", err), l.Close())
	}
	return l, nil
}

// guard lets only allowed peers use a Unix socket.
func (s *Server) guard(l net.Listener, path string) net.Listener {
	return &guarded{Listener: l, allowed: s.allowed, refused: func(uid uint32) {
		s.log.Warn("socket peer refused", "socket", path, "uid", uid)
	}}
}

// allowed reports whether a user may connect to the sockets.
func (s *Server) allowed(uid uint32) bool {
	return uid == 0 || int(uid) == os.Getuid() || slices.Contains(s.options.SocketUIDs, uid)
}

// guarded accepts only connections of allowed users.
type guarded struct {
	net.Listener
	allowed func(uid uint32) bool
	refused func(uid uint32)
}

// Accept returns the next connection of an allowed user; others are closed.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && g.allowed(uid) {
			return c, nil
		}
		g.refused(uid)
		_ = c.Close() // Nothing was said on it.
	}
}

// listen binds every service, each to its own address.
func (s *Server) listen(ctx context.Context) error {
	want := s.options.Listen
	grpcDoors := []struct {
		name     string
		want     string
		bound    *string
		register func(grpc.ServiceRegistrar)
		options  []grpc.ServerOption
	}{
		{"xds", want.XDS, &s.addrs.XDS, s.xds.Register, []grpc.ServerOption{cache.ServerOption(codec())}},
		{"authz", want.Authz, &s.addrs.Authz, s.authz.Register, nil},
		{"ratelimit", want.RateLimit, &s.addrs.RateLimit, s.registerLimits, nil},
		{"accesslog", want.AccessLog, &s.addrs.AccessLog, s.analytics.Register, nil},
	}
	for _, g := range grpcDoors {
		l, bound, err := s.bind(ctx, g.name, cmp.Or(g.want, s.socket(g.name)))
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		*g.bound = bound
		d := newGRPCDoor(l, g.options...)
		g.register(d.server)
		s.registerHealth(d.server)
		s.doors = append(s.doors, door{name: g.name, serve: d.serve, stop: d.stop, close: l.Close})
	}
	if err := s.listenRemote(ctx); err != nil {
		return err
	}
	l, bound, err := s.bindAdmin(ctx, cmp.Or(want.Admin, s.socket("admin")))
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	s.addrs.Admin = bound
	d, err := s.adminDoor(ctx, l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.doors = append(s.doors, d)
	return nil
}
