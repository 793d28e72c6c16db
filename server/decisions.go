package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// DecisionLog says where decisions are written.
type DecisionLog struct {
	Lines   io.WriteCloser // Gets JSON lines; nil: nobody does.
	Journal int64          // Bytes of the journal in the state directory; 0: 256 MiB, below 0: there is none.
}

const (
	// decisionsDir is the journal's directory in the state directory.
	decisionsDir = "decisions"
	// logPolicyLimit is how long a policy may take that masks or drops.
	logPolicyLimit = 50 * time.Millisecond
)

// decisionLog is the decision log of a server. Before it is open, decisions are dropped.
type decisionLog struct {
	server *Server

	mu      sync.RWMutex // Guards what follows; held for reading on each request.
	log     *decisions.Log
	journal *decisions.Journal

	settings logSettings
}

// recorder returns what the authorization service tells of its decisions; nil where they are written nowhere: making records that
// nobody keeps would cost as much as the Checks.
func (d *decisionLog) recorder() authz.Recorder {
	if o := d.server.options.Decisions; o.Lines == nil && o.Journal < 0 {
		return nil
	}
	return d
}

// Record takes a decision of the authorization service.
func (d *decisionLog) Record(one *authz.Decided) { d.put(one) }

func (d *decisionLog) put(p decisions.Pending) {
	d.mu.RLock()
	log := d.log
	d.mu.RUnlock()
	if log != nil && d.recorder() != nil {
		log.Put(p)
	}
}

// open begins to write.
func (d *decisionLog) open() error {
	o := d.server.options
	lines := decisions.Options{Logger: d.server.log, Now: o.Now, Settings: d.settings.of, Lines: o.Decisions.Lines}
	if o.Decisions.Journal >= 0 {
		journal, err := decisions.OpenJournal(filepath.Join(o.State, decisionsDir), o.Decisions.Journal, o.Now)
		if err != nil {
			return err
		}
		lines.Journal = journal
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.journal = lines.Journal
	d.log = decisions.New(lines)
	return nil
}

// stop writes what waits, and ends.
func (d *decisionLog) stop(ctx context.Context) error {
	d.mu.Lock()
	log := d.log
	d.log, d.journal = nil, nil
	d.mu.Unlock()
	if log == nil {
		return nil
	}
	return log.Stop(ctx)
}

// counts returns what became of decisions; ok is false where there is no log.
func (d *decisionLog) counts() (c decisions.Counts, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.log == nil {
		return c, false
	}
	return d.log.Counts(), true
}

// logSettings are what the Gateways in use say about decisions.
type logSettings struct {
	server *Server
	made   atomic.Pointer[fleetSettings]
}

// fleetSettings are those of one revision.
type fleetSettings struct {
	of     *compiled
	fleets map[string]decisions.Settings
	sample map[string]float64
	native map[string]bool // Rules of routes for which Gatehouse is not asked; only where something is sampled.
}

// of returns the settings of a fleet.
func (l *logSettings) of(fleet string) decisions.Settings { return l.now().fleets[fleet] }

// sampled returns how many of a hundred requests under rules are recorded that an Envoy of the fleet let through by itself.
func (l *logSettings) sampled(fleet, rules string) float64 {
	now := l.now()
	if !now.native[rules] {
		return 0
	}
	return now.sample[fleet]
}

// now returns the settings of the revision in use.
func (l *logSettings) now() *fleetSettings {
	c, made := l.server.live.Load().compiled, l.made.Load()
	if made != nil && made.of == c {
		return made
	}
	made = newFleetSettings(c)
	l.made.Store(made)
	return made
}

func newFleetSettings(c *compiled) *fleetSettings {
	f := &fleetSettings{of: c, fleets: map[string]decisions.Settings{}, sample: map[string]float64{}, native: map[string]bool{}}
	if c == nil {
		return f
	}
	for _, g := range c.revision.Gateways {
		if g.Decisions == nil {
			continue
		}
		s := decisions.Settings{Input: g.Decisions.Input}
		if e := newEditor(c, g.Decisions); e != nil {
			s.Editor = e
		}
		f.fleets[g.Fleet] = s
		if g.Decisions.Sample > 0 {
			f.sample[g.Fleet] = g.Decisions.Sample
		}
	}
	if len(f.sample) == 0 {
		return f
	}
	for _, r := range c.revision.Routes {
		if r.Action == gateway.ActionForward && !r.CallsAuthorization() {
			f.native[r.Rules] = true
		}
	}
	return f
}

// editor asks policies what of a record is written.
type editor struct{ mask, drop *authz.LogPolicy }

func newEditor(c *compiled, said *gateway.DecisionLog) *editor {
	policy := func(name string) *authz.LogPolicy {
		for _, p := range c.revision.Policies {
			if p.Name == name {
				return c.authz.LogPolicy(p, logPolicyLimit)
			}
		}
		return nil
	}
	if said.Mask == "" && said.Drop == "" {
		return nil
	}
	return &editor{mask: policy(said.Mask), drop: policy(said.Drop)}
}

// Drop asks the drop policy.
func (e *editor) Drop(ctx context.Context, event map[string]any) (bool, error) {
	if e.drop == nil {
		return false, nil
	}
	answer, err := e.drop.Ask(ctx, event)
	if err != nil {
		return false, err
	}
	drop, _ := answer.(bool)
	return drop, nil
}

// Mask asks the mask policy, whose answer is OPA's: paths to take out, or objects with op, path and value.
func (e *editor) Mask(ctx context.Context, event map[string]any) ([]decisions.Mask, error) {
	if e.mask == nil {
		return nil, nil
	}
	answer, err := e.mask.Ask(ctx, event)
	if err != nil || answer == nil {
		return nil, err
	}
	return decisions.ReadMasks(answer)
}

// Decisions returns a page of what is in the journal.
func (m management) Decisions(_ context.Context, q admin.DecisionQuery) ([]gateway.Decision, string, error) {
	journal, err := m.journal()
	if err != nil {
		return nil, "", err
	}
	query := decisions.Query{
		Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Result: q.Result, Consumer: q.Consumer,
		Refused: q.Refused, Limit: q.Limit,
	}
	if q.After != "" && json.Unmarshal([]byte(q.After), &query.After) != nil {
		query.After = decisions.Cursor{{}, {}} // Nobody told it: nothing comes after it.
	}
	found, next, err := journal.Page(query)
	if err != nil || next == nil {
		return found, "", err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return nil, "", fmt.Errorf("write where the page ends: %w", err)
	}
	return found, string(text), nil
}

// DecisionsOf returns what is recorded of a request here and at the other replicas, and says it in words.
func (m management) DecisionsOf(ctx context.Context, request string) (admin.DecisionsOfRequest, error) {
	out := admin.DecisionsOfRequest{RequestID: request, Decisions: []gateway.Decision{}, Why: []admin.DecisionStatement{}, Elsewhere: []string{}}
	found, err := m.recorded(request)
	others := m.others()
	if len(others) > 0 && (err == nil || errors.Is(err, errNoJournal)) {
		told, failed := m.inquire(ctx, request)
		if failed != nil {
			m.log.WarnContext(ctx, "other replicas cannot be asked about a request", "error", failed)
		}
		for _, other := range others {
			if _, has := told[other.ID]; !has {
				out.Elsewhere = append(out.Elsewhere, other.ID)
			}
			found = append(found, told[other.ID]...)
		}
		slices.SortStableFunc(found, func(a, b gateway.Decision) int { return a.Time.Compare(b.Time) })
	}
	if err != nil && len(found) == 0 {
		return out, err
	}
	out.Decisions = append(out.Decisions, found...)
	for _, l := range decisions.Why(found, m.routeOrigin) {
		out.Why = append(out.Why, admin.DecisionStatement(l))
	}
	return out, nil
}

// recorded returns what this replica recorded of a request, in the order of time.
func (m management) recorded(request string) ([]gateway.Decision, error) {
	journal, err := m.journal()
	if err != nil {
		return nil, err
	}
	return journal.Of(request)
}

// errNoJournal tells that decisions are not kept here.
var errNoJournal = errors.New("this Gatehouse keeps no journal of decisions: it was started without one, or is ending")

func (m management) journal() (*decisions.Journal, error) {
	m.decided.mu.RLock()
	defer m.decided.mu.RUnlock()
	if m.decided.journal == nil {
		return nil, fmt.Errorf("%w: %w", admin.ErrUnable, errNoJournal)
	}
	return m.decided.journal, nil
}

// routeOrigin returns where a route of the revision in use is written.
func (m management) routeOrigin(api, version, operation string) string {
	now := m.live.Load().compiled
	if now == nil {
		return ""
	}
	for _, r := range now.revision.Routes {
		if r.API == api && r.Version == version && r.Operation == operation {
			return r.Origin.String()
		}
	}
	return ""
}

// recordNative records what Envoys decided by themselves.
func (s *Server) recordNative(records []analytics.Record) {
	for i := range records {
		if d, ok := s.nativeDecision(&records[i]); ok {
			s.decided.put(d)
		}
	}
}
