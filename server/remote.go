package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// Remote says how Envoys of other hosts reach the server: by mutual TLS, and with a certificate for which they join.
type Remote struct {
	Nodes    string        // IP:port at which xDS, authorization, limits and access logs are served over mutual TLS; empty: nowhere.
	Join     string        // IP:port at which nodes join and renew; empty: nowhere.
	Hosts    []string      // Names and addresses in the doors' certificate, beside those that they are bound to.
	Services []string      // IP:port or IP:port@zone by which nodes are to reach Nodes; empty: the address at which they joined.
	Zone     string        // In which this replica runs: Envoys of the same zone prefer it; empty: none.
	Domain   string        // The trust domain; empty: join.DefaultDomain.
	Life     time.Duration // Of certificates; 0: join.DefaultLife.
	Window   time.Duration // After its end a certificate may be renewed for this long; 0: join.DefaultWindow; below 0: not at all.
	Own      join.OwnFiles // An authority of one's own; all empty: the built-in one.
}

// A connection ends after a sixth of the life of a certificate, so that who shows no new one is out soon: certificates are
// renewed when a third is left. Calls under way may take this long more.
const (
	agesPerLife = 6
	ageGrace    = 5 * time.Second
)

// remote is what serves Envoys of other hosts.
type remote struct {
	authority *join.Authority
	joining   *join.Service
	hosts     []string

	reading sync.Mutex // One reading of what is revoked at a time, so that an earlier one never ends later.
	refuses atomic.Pointer[func(join.Shown) bool]
}

// openRemote opens the authority where Envoys of other hosts are served.
func (s *Server) openRemote(ctx context.Context) error {
	o := s.options.Remote
	if o.Nodes == "" && o.Join == "" {
		return nil
	}
	kept := s.store
	r := &remote{hosts: hostsOf(o)}
	settings := join.Options{Domain: o.Domain, Life: o.Life, Window: o.Window, Now: s.options.Now, Log: s.log}
	var err error
	if o.Own == (join.OwnFiles{}) {
		r.authority, err = join.Open(ctx, keptRoots{kept.Authority}, settings)
	} else {
		r.authority, err = join.OpenOwn(ctx, o.Own, settings)
	}
	if err != nil {
		return err
	}
	r.joining = join.New(join.ServiceOptions{
		Authority: r.authority, Tokens: keptTokens{kept.Tokens}, Kept: keptCertificates{s}, Services: s.advertised, Joins: s.joins, Now: s.options.Now, Log: s.log,
	})
	s.remote = r
	return s.refuseRevoked(ctx)
}

// hostsOf returns what the doors' certificate names: what is given, what the doors are bound to, and this host.
func hostsOf(o Remote) []string {
	hosts := append([]string{}, o.Hosts...)
	for _, address := range []string{o.Nodes, o.Join} {
		if at, err := netip.ParseAddrPort(address); err == nil && !at.Addr().IsUnspecified() {
			hosts = append(hosts, at.Addr().String())
		}
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// advertised returns where nodes are told that the services are: at this replica, and at the others that are alive.
func (s *Server) advertised() []string { return s.atAll(addressNodes, s.ownServices()) }

// joins returns where nodes are told that they join and renew.
func (s *Server) joins() []string { return s.atAll(addressJoin, s.ownJoins()) }

// atAll adds to addresses of this replica those that others tell by the same word.
func (s *Server) atAll(word string, own []string) []string {
	out := slices.Clone(own)
	for _, p := range s.others() {
		for at := range strings.SplitSeq(p.Addresses[word], ",") {
			if at != "" && !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// ownServices returns where the services of this replica are, with its zone.
func (s *Server) ownServices() []string {
	o := s.options.Remote
	if len(o.Services) == 0 {
		if s.addrs.Nodes == "" {
			return nil
		}
		return []string{envoy.Zoned(s.addrs.Nodes, o.Zone)}
	}
	out := make([]string, len(o.Services))
	for i, given := range o.Services {
		out[i] = given
		if !strings.Contains(given, "@") {
			out[i] = envoy.Zoned(given, o.Zone)
		}
	}
	return out
}

// ownJoins returns where nodes join this replica: where the one address of its services is, if that is said.
func (s *Server) ownJoins() []string {
	if s.addrs.Join == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(s.addrs.Join)
	if given := s.options.Remote.Services; err == nil && at.Addr().IsUnspecified() && len(given) == 1 {
		plain, _, _ := strings.Cut(given[0], "@")
		if services, err := netip.ParseAddrPort(plain); err == nil {
			at = netip.AddrPortFrom(services.Addr(), at.Port())
			return []string{at.String()}
		}
	}
	return []string{s.addrs.Join}
}

// listenRemote binds the doors for Envoys of other hosts.
func (s *Server) listenRemote(ctx context.Context) error {
	o := s.options.Remote
	if o.Nodes != "" {
		l, err := s.bindTLS(ctx, "nodes", o.Nodes)
		if err != nil {
			return fmt.Errorf("nodes: %w", err)
		}
		s.addrs.Nodes = l.Addr().String()
		d := s.nodesDoor(l)
		for _, register := range []func(grpc.ServiceRegistrar){s.xds.Register, s.authz.Register, s.registerLimits, s.analytics.Register, s.registerHealth} {
			register(d.server)
		}
		s.doors = append(s.doors, door{name: "nodes", serve: d.serve, stop: d.stop, close: l.Close})
	}
	if o.Join != "" {
		l, err := s.bindTLS(ctx, "join", o.Join)
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		s.addrs.Join = l.Addr().String()
		s.doors = append(s.doors, door{
			name:  "join",
			serve: func() error { return s.remote.joining.Serve(l, s.remote.hosts) },
			stop:  s.remote.joining.Stop, close: l.Close,
		})
	}
	return nil
}

// bindTLS listens for a door at an address that other hosts may reach. What a predecessor has bound is taken as it is.
func (s *Server) bindTLS(ctx context.Context, door, address string) (net.Listener, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("the address %q is not IP:port", address)
	}
	l, err := s.open(door, address, func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, "tcp", address) })
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// nodesDoor returns the gRPC server that asks for certificates.
func (s *Server) nodesDoor(l net.Listener) *grpcDoor {
	age := max(s.remote.authority.Life()/agesPerLife, time.Second)
	return newGRPCDoor(l, cache.ServerOption(codec()),
		grpc.Creds(s.remote.authority.Credentials(s.remote.hosts)),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: askAfter, Timeout: answerLimit, MaxConnectionAge: age, MaxConnectionAgeGrace: min(age, ageGrace),
		}),
		grpc.StreamInterceptor(s.provenStream),
	)
}
