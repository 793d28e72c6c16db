package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server/compare"
	"github.com/gatehouse/gatehouse/server/proposal"
)

// candidate is what a proposal would make of the configuration in use.
type candidate struct {
	base          *live
	plan          admin.Plan
	documents     *gateway.Documents
	next          *compiled // nil where there are faults.
	substitutions []gateway.Substitution
}

// unchanged reports whether the outcome is what is in use already, to the byte.
func (c *candidate) unchanged() bool {
	return c.base.compiled != nil && c.next != nil && c.base.revision.ID == c.next.revision.ID
}

// newPlan returns a plan that changes nothing yet.
func newPlan(source string, base int64) admin.Plan {
	return admin.Plan{
		Source: source, Base: base, Changes: []gateway.Change{}, Kept: []gateway.Ref{}, Fleets: []admin.FleetChange{},
		Routes: []admin.RouteChange{}, Tests: []admin.PolicyTest{}, Warnings: []gateway.Fault{}, Faults: []gateway.Fault{},
	}
}

// Plan tells what a proposal would change. It reads what is in use as it is at one moment, and holds nobody up after that.
func (m management) Plan(ctx context.Context, p admin.Proposal) (admin.Plan, error) {
	m.reloading.Lock()
	err := m.changeable(ctx)
	base, memory := m.live.Load(), m.memory.Clone()
	m.reloading.Unlock()
	if err != nil {
		return admin.Plan{}, err
	}
	if p.Upgrade {
		return m.planUpgrade(ctx, base)
	}
	c, err := m.candidate(ctx, base, p, memory, m.foresee)
	if err != nil {
		return admin.Plan{}, err
	}
	m.compare(c)
	m.testPolicies(ctx, c)
	m.tryLimits(ctx, c)
	return c.plan, nil
}

// changeable tells why the configuration cannot be changed now. What other replicas changed is taken over first.
func (s *Server) changeable(ctx context.Context) error {
	if !s.restored {
		return fmt.Errorf("%w: the daemon is starting", admin.ErrUnable)
	}
	if s.draining.Load() || s.handed.Load() {
		return fmt.Errorf("%w: this process is ending", admin.ErrUnable)
	}
	for range beginTries {
		if err := s.takeUpAll(ctx); err != nil {
			return storeProblem(err)
		}
		if s.founded() {
			return nil
		}
	}
	return fmt.Errorf("%w: entry %d was made a moment ago and is not in use here yet: plan again", admin.ErrConflict, s.latest.Number)
}

// founded reports whether what is made now is made from the newest entry that counts. It is not where another replica made one between
// two looks at the store: what came of the older one would take the newer one's changes away.
func (s *Server) founded() bool {
	counts := s.latest.State == stateRolling || s.latest.State == stateLive
	return s.cluster == nil || !counts || s.live.Load().entry == s.latest.Number
}

// foresee returns what is observed now, for documents of which some may not be watched yet. It begins to watch nothing.
func (s *Server) foresee(_ context.Context, docs *gateway.Documents) *gateway.Observed {
	now := s.observed.Now()
	out := &gateway.Observed{Endpoints: now.Endpoints, KeySets: maps.Clone(now.KeySets)}
	for _, i := range docs.Issuers {
		if _, known := out.KeySets[i.Name]; !known && i.Watched() && i.KeySet != nil {
			out.KeySets[i.Name] = i.KeySet
		}
		if out.KeySets[i.Name] == nil && i.KeyURL != nil {
			out.KeySets[i.Name] = gateway.UnknownKeys() // Nobody is asked for a plan.
		}
	}
	return out
}

// candidate works out a proposal. Faults are in its plan. It returns admin.ErrConflict and admin.ErrRefused, wrapped.
func (s *Server) candidate(ctx context.Context, base *live, p admin.Proposal, memory *config.Memory, learn learner) (*candidate, error) {
	if p.Base != 0 && p.Base != base.entry {
		return nil, fmt.Errorf("%w: entry %d is live, not %d: plan again", admin.ErrConflict, base.entry, p.Base)
	}
	c := &candidate{base: base, plan: newPlan(p.Source, base.entry)}
	sources, err := base.sources()
	if err != nil {
		return nil, err
	}
	load := func(list []config.Source) (*gateway.Documents, gateway.Faults) { return s.loadSources(list, memory) }
	documents := base.documents
	if documents == nil {
		documents = &gateway.Documents{}
	}
	caller := admin.CallerOf(ctx)
	b := &proposal.Base{Documents: documents, Sources: sources, Load: load, Caller: caller}
	to, faults, err := b.Put(p)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		c.plan.Faults = faults
		return c, nil
	}
	c.plan.Kept = append(c.plan.Kept, to.Kept...)
	c.documents, faults = load(to.Sources)
	c.compile(ctx, s, faults, learn)
	if len(c.plan.Faults) > 0 {
		return c, nil
	}
	c.plan.Changes = append(c.plan.Changes, compare.Documents(documents, c.documents)...)
	if caller.Role == admin.Member {
		c.plan.Faults = append(c.plan.Faults, gateway.CheckChanges(c.plan.Changes, documents, c.documents, caller.Team)...)
	}
	if len(c.plan.Faults) > 0 {
		c.next = nil
		return c, nil
	}
	c.plan.Result = c.next.revision.ID
	return c, nil
}

// compile compiles the candidate's documents. What was quarantined before in sources other than the proposal's stands against
// nothing; every other fault does.
func (c *candidate) compile(ctx context.Context, s *Server, faults gateway.Faults, learn learner) {
	from := s.sources()
	from.Learnt = learn(ctx, c.documents)
	for _, f := range c.documents.Watched {
		if !s.observed.Knows(f.Object) {
			faults = append(faults, f)
		}
	}
	if s.live.Load().compiled != nil {
		faults = append(faults, s.unknownKeys(c.documents.Issuers, from.Learnt)...)
	}
	next, substitutions, remaining := propose(c.documents, faults, from, c.base.compiled)
	if len(remaining) > 0 {
		c.plan.Faults = append(c.plan.Faults, remaining...)
		return
	}
	at := config.Objects(c.documents)
	var stands gateway.Faults
	for _, q := range substitutions {
		before := slices.ContainsFunc(c.base.substitutions, func(b gateway.Substitution) bool { return b.Object == q.Object })
		if !before || at[q.Object].Source == c.plan.Source {
			stands = append(stands, q.Faults...)
		}
	}
	if len(stands) > 0 {
		c.plan.Faults = append(c.plan.Faults, stands.Sort()...)
		return
	}
	c.next, c.substitutions = next, substitutions
	for _, f := range next.kept {
		if c.base.compiled == nil || !hasFault(c.base.kept, f) {
			c.plan.Warnings = append(c.plan.Warnings, f)
		}
	}
}

// unknownKeys returns the faults of Issuers whose keys could never be fetched, and which nothing that is live takes tokens of. Those that
// are live keep nobody else's change back: their routes wait.
func (s *Server) unknownKeys(issuers []*gateway.Issuer, learnt *gateway.Observed) gateway.Faults {
	before := s.live.Load().revision.Issuers
	return s.observed.Unknown(slices.DeleteFunc(slices.Clone(issuers), func(i *gateway.Issuer) bool {
		return learnt.KeySets[i.Name] != nil || slices.ContainsFunc(before, func(b *gateway.Issuer) bool {
			return b.Name == i.Name && b.KeySource() == i.KeySource()
		})
	}))
}

// compare tells what the candidate changes for Envoys.
func (s *Server) compare(c *candidate) {
	if c.next == nil || c.unchanged() {
		return
	}
	before := &compiled{revision: &gateway.Revision{}}
	if c.base.compiled != nil {
		before = c.base.compiled
	}
	c.plan.Fleets = s.withNodes(compare.Fleets(before.xds, c.next.xds, false))
	c.plan.Routes = append(c.plan.Routes, compare.Hops(before.revision, c.next.revision)...)
	c.plan.Series = analytics.Series(c.next.revision) - analytics.Series(before.revision)
	c.plan.Held = s.guarded(c.base, c.next)
	c.plan.Warnings = append(c.plan.Warnings, newRisks(before, c.next, s.options.Now())...)
}

// withNodes adds how many nodes each fleet has.
func (s *Server) withNodes(changes []admin.FleetChange) []admin.FleetChange {
	for i := range changes {
		seen := map[string]bool{}
		for _, n := range s.xds.Fleet(changes[i].Fleet) {
			seen[n.Name] = true
		}
		for _, n := range s.known.of(changes[i].Fleet, s.options.Now()) {
			seen[n.Name] = true
		}
		changes[i].Nodes = len(seen)
	}
	return changes
}

// planUpgrade tells what this version of Gatehouse makes of the configuration in use otherwise than the one that made its entry.
func (s *Server) planUpgrade(ctx context.Context, base *live) (admin.Plan, error) {
	plan := newPlan("", base.entry)
	if base.compiled == nil {
		return plan, nil
	}
	plan.Result = base.revision.ID
	stored, err := s.store.History.Resources(ctx, base.entry)
	if err != nil {
		return plan, storeProblem(err)
	}
	if stored == nil {
		return plan, fmt.Errorf("%w: what Envoys got by entry %d was not kept", admin.ErrRefused, base.entry)
	}
	changes, err := compare.Upgrade(stored, base.xds)
	if err != nil {
		return plan, fmt.Errorf("what Envoys got by entry %d: %w", base.entry, err)
	}
	plan.Fleets = append(plan.Fleets, s.withNodes(changes)...)
	return plan, nil
}
