package observed

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// What is waited for, and how much is done at once, where Options do not say.
const (
	defaultRefresh = 5 * time.Second
	defaultTimeout = 2 * time.Second
	defaultFirst   = time.Second
	defaultLookups = 64
)

// Resolver asks DNS; a *net.Resolver is one. Both return a *net.DNSError with IsNotFound where the answer is empty.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// Reader reads watched files, named relative to the directory of the documents. What comes back with faults is not looked at.
type Reader interface {
	KeySet(file string) ([]byte, gateway.Faults)
	Endpoints(file string) ([]gateway.Endpoint, gateway.Faults)
	// PublicKeys returns those keys of a fetched key set by which tokens can be verified, or an error where there are none.
	PublicKeys(text []byte) ([]byte, error)
}

// Options of an Observer. Resolver and Reader must be given.
type Options struct {
	Resolver Resolver
	Reader   Reader
	Store    Store         // nil: what was learnt ends with the process, and nothing can be pushed.
	Refresh  time.Duration // Between two lookups of a name, and two looks at a file that nobody said has changed; 0: 5 s.
	Timeout  time.Duration // Bounds one lookup; 0: 2 s.
	First    time.Duration // Bounds how long Prepare waits for the first answers; 0: 1 s.
	Lookups  int           // How many lookups may run at once; 0: 64.
	Now      func() time.Time
	After    func(time.Duration) <-chan time.Time
	Log      *slog.Logger // nil: nothing is logged.
}

func (o Options) orDefaults() Options {
	orTime := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	orTime(&o.Refresh, defaultRefresh)
	orTime(&o.Timeout, defaultTimeout)
	orTime(&o.First, defaultFirst)
	if o.Lookups <= 0 {
		o.Lookups = defaultLookups
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Observer holds what is observed. It is used by several goroutines.
type Observer struct {
	options Options
	changes chan struct{}
	lookups chan struct{} // One place for each lookup that may run.
	dirty   chan struct{} // Something is to be kept in the store.

	running context.Context //nolint:containedctx // It ends every goroutine of the observer, and stands for its life.
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	reading sync.Mutex // One pass over the files at a time, so that no older read replaces a newer one.
	pushing sync.Mutex // One push at a time.

	mu    sync.Mutex
	sets  map[string]*set    // By the Upstream's name; also those whose endpoints are written out.
	keys  map[string]*keySet // By the Issuer's name; those with a file.
	names map[question]*name
	now   *gateway.Observed // nil: it must be put together again.
	lead  lead
}

// New returns an Observer that wants nothing yet. Start and Prepare begin to watch; Stop ends it.
func New(o Options) *Observer {
	o = o.orDefaults()
	out := &Observer{
		options: o, changes: make(chan struct{}, 1), dirty: make(chan struct{}, 1), lookups: make(chan struct{}, o.Lookups),
		sets: map[string]*set{}, keys: map[string]*keySet{}, names: map[question]*name{},
		lead: lead{leads: true, changed: make(chan struct{})},
	}
	out.running, out.cancel = context.WithCancel(context.Background())
	return out
}

// Start begins to look at files from time to time, and to keep in the store what was learnt.
func (o *Observer) Start() {
	o.tasks.Go(o.lookAtFiles)
	if o.options.Store != nil {
		o.tasks.Go(o.keep)
	}
}

// Stop ends all watching and waits for it. What is observed stays readable.
func (o *Observer) Stop() {
	o.cancel()
	o.tasks.Wait()
}

// Changes tells that Now returns something new. One word stands for all changes since it was taken.
func (o *Observer) Changes() <-chan struct{} { return o.changes }

// Now returns what is observed.
func (o *Observer) Now() *gateway.Observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now == nil {
		o.now = o.assemble()
	}
	return o.now
}

// assemble puts together what is observed. o.mu is held.
func (o *Observer) assemble() *gateway.Observed {
	out := &gateway.Observed{Endpoints: map[string][]gateway.Endpoint{}, KeySets: map[string][]byte{}}
	for name, s := range o.sets {
		if s.upstream.Observed() && s.known() {
			out.Endpoints[name] = s.served
		}
	}
	for name, k := range o.keys {
		if k.text != nil {
			out.KeySets[name] = k.text
		}
	}
	return out
}

// changed notes that there is something new. o.mu is held.
func (o *Observer) changed() {
	o.now = nil
	select {
	case o.changes <- struct{}{}:
	default: // Told already, and not taken yet.
	}
}

// Faults returns what is wrong with watched files, in order of their places.
func (o *Observer) Faults() gateway.Faults {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out gateway.Faults
	for _, s := range o.sets {
		out = append(out, s.faults...)
	}
	for _, k := range o.keys {
		out = append(out, k.faults...)
	}
	return out.Sort()
}

// Knows reports whether a good state is known of what an object's file holds.
func (o *Observer) Knows(object gateway.Ref) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch object.Kind {
	case gateway.KindIssuer:
		k := o.keys[object.Name]
		return k != nil && k.text != nil
	case gateway.KindUpstream:
		return true // Without any endpoint it answers 503 for itself alone.
	}
	return false
}

// Prepare begins to watch what documents want beside what is watched already, and returns what is observed when every name of
// them was asked for once, or after Options.First: then the rest follows as a change. Nothing that is in use ends.
func (o *Observer) Prepare(ctx context.Context, docs *gateway.Documents) *gateway.Observed {
	upstreams, issuers := wanted(&gateway.Revision{Upstreams: docs.Upstreams, Issuers: docs.Issuers})
	asked := o.want(upstreams, issuers, false)
	o.Reread()
	late := o.options.After(o.options.First)
	for _, done := range asked {
		select {
		case <-done:
		case <-late:
			return o.Now()
		case <-ctx.Done():
			return o.Now()
		}
	}
	return o.Now()
}

// Want watches what a revision wants, and nothing else any more.
func (o *Observer) Want(rev *gateway.Revision) {
	upstreams, issuers := wanted(rev)
	o.want(upstreams, issuers, true)
}

// want takes over what is wanted. It returns for each name that is asked for what closes at the first answer.
func (o *Observer) want(upstreams map[string]*gateway.Upstream, issuers map[string]*gateway.Issuer, only bool) []<-chan struct{} {
	known := o.recall(upstreams, issuers)
	o.mu.Lock()
	defer o.mu.Unlock()
	var asked []<-chan struct{}
	for name, u := range upstreams {
		s := o.sets[name]
		if s == nil || known.sets[name] != nil {
			s = known.set(name)
			o.sets[name] = s
		}
		o.use(s, u)
		for _, q := range questions(u) {
			if first := o.ask(q).first; o.lead.leads { // Otherwise nobody asks.
				asked = append(asked, first)
			}
		}
	}
	for name, i := range issuers {
		k := o.keys[name]
		if k == nil || k.otherThan(i) {
			k.end()
			k = &keySet{text: known.keys[name], written: known.keys[name]}
			o.keys[name], o.now = k, nil
		}
		k.issuer = i
		if i.KeyURL != nil {
			if first := o.fetches(k); o.lead.leads && k.text == nil {
				asked = append(asked, first)
			}
		}
		if k.text == nil && i.KeySet != nil {
			k.text = i.KeySet
			o.changed()
		}
	}
	if only {
		o.forget(upstreams, issuers)
	}
	return asked
}

// forget ends what nobody wants any more. o.mu is held.
func (o *Observer) forget(upstreams map[string]*gateway.Upstream, issuers map[string]*gateway.Issuer) {
	needed := map[question]bool{}
	for name, s := range o.sets {
		if upstreams[name] == nil {
			delete(o.sets, name)
			o.now = nil
			continue
		}
		for _, q := range questions(s.upstream) {
			needed[q] = true
		}
	}
	for name := range o.keys {
		if issuers[name] == nil {
			o.keys[name].end()
			delete(o.keys, name)
			o.now = nil
		}
	}
	for q, n := range o.names {
		if !needed[q] {
			n.cancel()
			delete(o.names, q)
		}
	}
}

// ErrUnknown tells that no Upstream has this name.
var ErrUnknown = errors.New("there is no Upstream of this name in use")
