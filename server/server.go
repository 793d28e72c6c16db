// Package server is the composition root: it constructs every service, gives each its revision, and starts and stops them
// in order. It is the only place that does.
//
// In: Options, and a directory of documents. Out: a running daemon: xDS, authorization, limits and access logs on gRPC, and
// the management API. All that can fail, fails before anything live is touched.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/authz/introspect"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/handover"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/cache"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// defaultDrain bounds a stop where Options do not.
const defaultDrain = 10 * time.Second

// Addresses are where a server listens: "unix:/path", or "IP:port" on loopback.
type Addresses struct {
	XDS, Authz, RateLimit, AccessLog, Admin string

	Nodes, Join string // IP:port of the doors for Envoys of other hosts, as bound; see Remote for where they are to be.
}

// Options of a Server.
type Options struct {
	Config     string                      // Directory of documents, watched; empty: an empty configuration.
	State      string                      // Directory of the sockets, made with mode 0700 where it is missing.
	Store      store.Options               // Where what outlives the process is kept; without place: SQLite in State.
	Listen     Addresses                   // An empty field: a socket in State.
	Remote     Remote                      // How Envoys of other hosts are served; zero: not at all.
	Limits     *redis.Options              // The store of limits that replicas share; nil: each has its own, in memory.
	AdminToken string                      // Of an admin over TCP; empty: access tokens alone.
	SocketUIDs []uint32                    // Who may connect to the sockets beside this user and root.
	Drain      time.Duration               // Bounds a stop; 0: 10 s.
	Lookup     func(string) (string, bool) // The environment, for env: references; nil: empty.
	Logger     *slog.Logger                // nil: nothing is logged.
	Now        func() time.Time            // nil: time.Now.
	Rollout    rollout.Strategy            // How a change moves through a fleet.
	Guard      Guard                       // Which changes are held until somebody confirms them.
	Step       time.Duration               // In which steps the access log's figures are kept, by which rollouts judge; 0: 10 s.
	Grace      time.Duration               // How long what no route uses any more stays on an Envoy; 0: 5 s.
	Resolver   observed.Resolver           // Asked for endpoints that are named; nil: as this machine is configured.
	Refresh    time.Duration               // Between two lookups of a name; 0: 5 s.
	Replica    string                      // Name of this process among those that share a store; empty: the host's.
	Lease      time.Duration               // How long the leader of several replicas may be silent before another leads; 0: 5 s.
	Decisions  DecisionLog                 // Where decisions are written.
	Used       func(*gateway.Revision)     // Told of each revision that is used; must return at once. nil: nobody is told.

	SocketRoles map[uint32]SocketRole // What SocketUIDs may do through the management API; who is not named is an operator.
	AdminTLS    AdminTLS              // How the management API is served over TCP; zero: in the clear, and on loopback only.
	AdminHosts  []string              // Names by which the management API is called over TCP, beside loopback.
	Callers     admin.CallerRules     // Who callers of it are that show no access token.

	Serving     func()                // Told once, when the server serves. nil: nobody is told.
	Predecessor *handover.Predecessor // Whose place this server takes; nil: nobody's. It is closed in the end.
	Successor   Successor             // How to start who takes this server's place; nil: HandOver is refused.
	Handed      func(pid int)         // Told who has taken over, before the server drains. nil: nobody is told.
}

// Server is the daemon.
type Server struct {
	options Options
	log     *slog.Logger

	xds       *cache.Server
	authz     *authz.Service
	ratelimit *ratelimit.Service
	assign    *assign.Service
	analytics *analytics.Service
	observed  *observed.Observer
	bundles   *bundles
	store     *store.Store // From Start on.
	registry  *prometheus.Registry
	remote    *remote       // nil: no Envoys of other hosts.
	impostors atomic.Uint64 // Calls that contradicted their certificates.
	buckets   *memory.Store // nil: shared.
	shared    *redis.Store  // nil: buckets.

	savedBuckets savedBuckets

	counting counting
	decided  *decisionLog
	alone    []alone
	rollouts *rollout.Engine
	events   *admin.Events
	shown    *shownTokens
	keys     *accountKeys

	introspection *introspect.Client

	cluster   *cluster // What it has as one of several replicas; nil: it shares its store with nobody.
	ledger    *ledger
	reloading turn          // One reload at a time.
	memory    config.Memory // Of the directory; by reloading.
	restored  bool          // By reloading: the history is taken up; nothing is loaded before.
	latest    store.Entry   // By reloading: the newest entry, in force or not.
	live      atomic.Pointer[live]
	entries   entries
	known     known

	stuck        atomic.Bool   // A good configuration could not be used, and is tried again.
	retry        chan struct{} // It has just become so.
	nodesChanged atomic.Bool   // Since the store heard of them.
	pushes       pushes
	draining     atomic.Bool
	files        atomic.Pointer[observed.Files]

	addrs Addresses
	doors []door // What listens, in the order of starting.
	ended chan error

	inherited map[string]net.Listener // Sockets of the predecessor that no door has yet, by door and address.
	carried   map[string]string       // The predecessor's rules, see hello.
	sockets   []opened
	handing   sync.Mutex // One hand-over at a time.
	handed    atomic.Bool
	left      chan struct{} // Closed when a successor has taken over.
	forward   io.Closer     // The way to the successor's limits; nil: there is none.

	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// New constructs a server; nothing listens yet.
func New(o Options) (*Server, error) {
	if o.State == "" {
		return nil, errors.New("no state directory: name the directory in which the sockets are to be")
	}
	o = o.completed()
	s := &Server{
		options:   o,
		log:       o.Logger,
		registry:  prometheus.NewRegistry(),
		ended:     make(chan error, 1),
		retry:     make(chan struct{}, 1),
		inherited: map[string]net.Listener{},
		left:      make(chan struct{}),
		reloading: newTurn(),
		counting:  newCounting(),
	}
	s.decided = &decisionLog{server: s, settings: logSettings{server: s}}
	var err error
	s.analytics, err = analytics.New(analytics.Options{Log: o.Logger, Now: o.Now, Caller: callerNode, Step: o.Step, Records: s.recordNative})
	if err != nil {
		return nil, fmt.Errorf("access log service: %w", err)
	}
	s.events = admin.NewEvents(o.Now)
	s.shown = &shownTokens{server: s, known: map[string]knownToken{}}
	s.keys = &accountKeys{server: s}
	s.ledger = &ledger{server: s, last: map[string]*line{}}
	s.openLimits()
	if s.introspection, err = s.newIntrospection(); err != nil {
		return nil, err
	}
	s.authz = authz.New(authz.Options{
		Logger: o.Logger, Now: o.Now, Caller: s.callerFleet, Limits: spending{s.ratelimit}, Recorder: s.decided.recorder(), Keys: s.keys, Introspection: s.introspection,
	})
	s.entries.byNumber, s.known.nodes = map[int64]*entry{}, map[nodeKey]store.Node{}
	s.xds = cache.New(cache.Settings{Log: o.Logger, Now: o.Now, Shared: true, Identity: callerNode, Grace: o.Grace, Changed: func(fleet string) {
		s.nodesChanged.Store(true)
		s.events.Publish(admin.Event{Kind: admin.EventNodes, Fleet: fleet})
		s.rollouts.Wake()
		s.tellSoon()
	}})
	s.rollouts = rollout.New(rollout.Surroundings{
		Fleets: fleets{s}, Meter: fleets{s}, Store: s.ledger,
		Deliver: s.deliver, Tell: s.told, Now: o.Now, Log: o.Logger,
	})
	s.alone = append(s.alone, s.rollingOut(), s.noting(), s.chores(choresFirst))
	s.live.Store(&live{})
	s.observed = s.newObserver()
	s.bundles = &bundles{server: s, followed: map[string]*followedBundle{}}
	s.register()
	s.registry.MustRegister(newRemoteMetrics(s), newDeliveryMetrics(s), newReplicaMetrics(s), newDecisionMetrics(s), newKeyMetrics(s.keys), newBundleMetrics(s), newIdentityMetrics(s), newAssignMetrics(s.assign))
	if s.shared != nil {
		s.registry.MustRegister(newLimitsMetrics(s.shared))
	} else {
		s.registry.MustRegister(newBucketMetrics(s))
	}
	return s, nil
}

// completed returns the options with what was left out.
func (o Options) completed() Options {
	if o.Drain <= 0 {
		o.Drain = defaultDrain
	}
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Used == nil {
		o.Used = func(*gateway.Revision) {}
	}
	return o
}

// Start listens, loads the configuration and serves. A faulty configuration is not an error: the server is up and not
// ready, and says why; but a server with a predecessor must be ready, or leaves it in its place. ctx bounds the start alone;
// Stop ends the server.
func (s *Server) Start(ctx context.Context) error {
	s.startLimits()
	err := s.start(ctx)
	if err != nil {
		s.closeLimits()
		err = errors.Join(err, s.decided.stop(ctx))
	}
	p := s.options.Predecessor
	if p == nil {
		return err
	}
	if err != nil {
		_ = p.Send(ctx, sayFailed, []byte(err.Error())) // It may have ended itself, and then nobody needs to know.
		return errors.Join(err, p.Close())
	}
	return p.Leave()
}

func (s *Server) start(ctx context.Context) error {
	if err := makeState(s.options.State); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := s.decided.open(); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.joinCluster(), s.openRemote(ctx)); err != nil {
		return errors.Join(err, s.closeStore())
	}
	if s.options.Predecessor != nil {
		if err := s.greet(ctx); err != nil {
			return errors.Join(err, s.closeStore())
		}
	} else {
		s.loadBuckets()
	}
	if s.buckets != nil {
		s.alone = append(s.alone, s.savingBuckets())
	}
	if err := s.listen(ctx); err != nil {
		s.closeDoors()
		return errors.Join(err, s.closeStore())
	}
	s.observed.Start()
	if err := errors.Join(s.restore(ctx), s.keys.catchUp(ctx)); err != nil {
		s.closeDoors()
		s.observed.Stop()
		s.bundles.stop()
		return errors.Join(fmt.Errorf("take up what the store has: %w", err), s.closeStore())
	}
	if s.cluster != nil {
		s.log.Info("one of several replicas", "replica", s.cluster.name) // The leader loads documents.
		if s.options.Predecessor != nil && s.live.Load().compiled == nil {
			s.closeDoors()
			return errors.Join(errors.New("there is no configuration yet to take over"), s.closeStore())
		}
	} else if err := s.Reload(ctx); err != nil {
		s.log.Error("configuration refused, not ready", "faults", err.Error())
		if s.options.Predecessor != nil {
			s.closeDoors()
			return errors.Join(err, s.closeStore())
		}
	}
	if s.options.Predecessor != nil {
		if err := s.takeOver(ctx); err != nil {
			s.closeDoors()
			return errors.Join(err, s.closeStore())
		}
	}
	return s.serve(ctx)
}

// serve serves at all doors, watches the documents, and tells a predecessor that it may go.
func (s *Server) serve(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.tasks.Go(func() { s.observe(running) })
	for _, d := range s.doors {
		s.tasks.Go(func() {
			if err := d.serve(); err != nil && !s.handed.Load() {
				s.fail(fmt.Errorf("%s: %w", d.name, err))
			}
		})
	}
	watch := s.watch
	if s.cluster != nil {
		watch = func(context.Context, *sync.WaitGroup) error { return nil } // The leader does.
	}
	if err := errors.Join(s.follow(running), watch(running, &s.tasks)); err != nil {
		cancel()
		s.closeDoors()
		s.tasks.Wait()
		s.observed.Stop()
		s.bundles.stop()
		return errors.Join(err, s.closeStore())
	}
	if s.remote != nil {
		s.tasks.Go(func() { s.remote.joining.Tend(running) })
		s.tasks.Go(func() { s.followRevocations(running) })
	}
	s.assign.Start()
	s.tasks.Go(func() { s.countUsage(running) })
	s.tasks.Go(func() { s.keys.follow(running) })
	s.tasks.Go(func() { s.keys.keepUses(running) })
	if err := s.begin(); err != nil {
		s.log.Error("not everything runs", "error", err)
	}
	s.log.Info("serving", "xds", s.addrs.XDS, "authz", s.addrs.Authz, "ratelimit", s.addrs.RateLimit,
		"accesslog", s.addrs.AccessLog, "admin", s.addrs.Admin, "nodes", s.addrs.Nodes, "join", s.addrs.Join)
	if s.options.Predecessor != nil {
		if err := s.options.Predecessor.Send(ctx, sayMine, nil); err != nil {
			s.log.Warn("the predecessor has ended", "error", err)
		}
	}
	if s.options.Serving != nil {
		s.options.Serving()
	}
	return nil
}

// fail reports that a service ended by itself.
func (s *Server) fail(err error) {
	select {
	case s.ended <- err:
	default: // Run hears of the first; the rest follow from it.
	}
}

// Addrs returns where the server listens, as bound. Before Start it is empty.
func (s *Server) Addrs() Addresses { return s.addrs }

// Ready returns nil when a revision is compiled and served, and otherwise why not.
func (s *Server) Ready() error {
	switch {
	case s.draining.Load():
		return errors.New("draining")
	case s.live.Load().compiled == nil:
		return errors.New("no revision: the configuration has faults")
	}
	return nil
}

// Run starts the server, serves until ctx ends or a service fails, and stops it.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
	case <-s.left:
	case failed = <-s.ended:
		s.log.Error("a service ended", "error", failed)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Drain)
	defer cancel()
	return errors.Join(failed, s.Stop(stopping))
}

// Stop drains: readiness goes off, open calls are answered, streams are closed cleanly and what they brought is counted. The
// management API is the last to end. When ctx ends before, what is left is cut off and ctx's error returned.
func (s *Server) Stop(ctx context.Context) error {
	if s.draining.Swap(true) {
		return nil
	}
	s.log.Info("draining")
	if s.cancel != nil {
		s.cancel()
	}
	var failed []error
	s.assign.Stop()
	for _, end := range []func(context.Context) error{s.xds.Stop, s.analytics.Stop} {
		if err := end(ctx); err != nil {
			failed = append(failed, err)
		}
	}
	if !s.handed.Load() {
		failed = append(failed, s.end(ctx))
	}
	failed = append(failed, s.stopDoors(ctx))
	s.tasks.Wait()
	s.writeLastUsage(ctx)
	failed = append(failed, s.decided.stop(ctx))
	if s.forward != nil {
		failed = append(failed, s.forward.Close())
	}
	s.observed.Stop()
	s.introspection.Close()
	s.bundles.stop()
	if !s.handed.Load() {
		s.saveBuckets()
	}
	s.closeLimits()
	failed = append(failed, s.closeStore())
	s.log.Info("stopped")
	return errors.Join(failed...)
}

// socket returns the address of a service's socket in the state directory.
func (s *Server) socket(name string) string {
	return "unix:" + filepath.Join(s.options.State, name+".sock")
}
