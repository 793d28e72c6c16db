package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/internal/version"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/cache"
)

const (
	// beatEvery is how often a replica gives a sign of life and reads those of the others; beatSoon is how long it gathers what
	// changes before it does so out of turn.
	beatEvery = time.Second
	beatSoon  = 100 * time.Millisecond
	beatRest  = 4
	// aliveFor is for how long a replica counts as alive after its last sign of life, and goneFor when it is forgotten.
	aliveFor = 5 * time.Second
	goneFor  = 10 * time.Minute
	// toldFor is how far back a report tells of requests: who misses a few reports misses nothing.
	toldFor = 15 * time.Second
	// maxReport bounds a report, in bytes; the store takes no more than 4 MiB.
	maxReport = 3 << 20
	// maxRefused bounds the refusals in a report.
	maxRefused = 200
)

// Words of a replica's addresses in the store.
const (
	addressNodes   = "nodes"
	addressJoin    = "join"
	addressProcess = "process"
)

// report is what a replica tells the others of its nodes.
type report struct {
	Leads   bool                `json:"leads,omitempty"`
	Entry   int64               `json:"entry"` // That it serves.
	Count   int                 `json:"count"` // Nodes connected to it, those left out too.
	Nodes   []reportedNode      `json:"nodes,omitempty"`
	Refused []cache.Verdict     `json:"refused,omitempty"`
	Steps   []analytics.Step    `json:"steps,omitempty"`
	Sets    []admin.EndpointSet `json:"sets,omitempty"` // Of the leader: what is held back or fails.
}

// reportedNode is a node that is connected to a replica.
type reportedNode struct {
	admin.Node
	Labels map[string]string `json:"labels,omitempty"`
}

// peer is another replica, alive.
type peer struct {
	store.Replica
	report report
}

// peers are the other replicas that are alive.
type peers struct {
	all    []peer
	leader string // Name of the replica that leads; "": none that is known.
}

// beating tells the others of this replica, and reads what they tell.
func (s *Server) beating() alone {
	return newAlone("signs of life", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() { s.beatOn(ctx) })
		return nil
	})
}

// beatOn gives signs of life until ctx ends, and then says that there is this replica no more.
func (s *Server) beatOn(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	failed := false
	for {
		began := time.Now()
		err := s.beatOnce(ctx)
		soon := beatSoon + beatRest*time.Since(began) // Long reports are not written all the time.
		if err != nil && !failed && ctx.Err() == nil {
			s.log.Error("no sign of life can be given to the other replicas", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			s.farewell(ctx)
			return
		case <-ticker.C:
			continue
		case <-s.cluster.beat:
		}
		select {
		case <-ctx.Done():
		case <-time.After(soon):
		}
	}
}

// farewell removes the replica. A successor of the same name has not given a sign of life yet.
func (s *Server) farewell(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
	defer cancel()
	if err := s.store.Replicas.Remove(last, s.cluster.name); err != nil {
		s.log.Debug("the replica is forgotten by itself", "error", err)
	}
}

// beatOnce tells the others, and reads what they tell.
func (s *Server) beatOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, aliveFor)
	defer cancel()
	text, err := s.report().text()
	if err != nil {
		return err
	}
	beat := store.Replica{ID: s.cluster.name, Addresses: s.reached(), Report: text, Version: version.Read().Version}
	if err := s.store.Replicas.Beat(ctx, beat); err != nil {
		return err
	}
	all, err := s.store.Replicas.List(ctx, aliveFor)
	if err != nil {
		return err
	}
	s.hearPeers(all)
	return nil
}

// reached returns where this replica is reached.
func (s *Server) reached() map[string]string {
	out := map[string]string{addressProcess: s.cluster.process}
	if own := s.ownServices(); len(own) > 0 {
		out[addressNodes] = strings.Join(own, ",")
	}
	if own := s.ownJoins(); len(own) > 0 {
		out[addressJoin] = strings.Join(own, ",")
	}
	return out
}

// report returns what the others should know now.
func (s *Server) report() report {
	out := report{
		Leads: s.cluster.leads.Load(), Entry: s.live.Load().entry, Steps: s.analytics.Steps(s.options.Now().Add(-toldFor)),
	}
	for _, n := range s.xds.Fleet("") {
		if n.State != cache.StateDisconnected {
			out.Nodes = append(out.Nodes, reportedNode{Node: nodeOf(n), Labels: n.Labels})
		}
	}
	out.Count = len(out.Nodes)
	out.Refused = s.xds.Refused()
	out.Refused = out.Refused[:min(len(out.Refused), maxRefused)]
	if out.Leads {
		for _, set := range s.observed.States() {
			if !set.Held.IsZero() || set.Failure != "" {
				set.Endpoints = nil
				out.Sets = append(out.Sets, endpointSet(set))
			}
		}
	}
	return out
}

// text returns a report as it travels, with less in it where it would be too long: first without what nodes refused last, then
// without figures, at last with fewer nodes.
func (r report) text() ([]byte, error) {
	r.Nodes = slices.Clone(r.Nodes)
	for _, less := range []func(){
		func() {},
		func() {
			for i := range r.Nodes {
				r.Nodes[i].LastRefusal = nil
			}
		},
		func() { r.Steps = nil },
		func() { r.Sets, r.Nodes = nil, r.Nodes[:len(r.Nodes)/4] },
		func() { r.Refused, r.Nodes = nil, nil },
	} {
		less()
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("write a report: %w", err)
		}
		if len(text) <= maxReport {
			return text, nil
		}
	}
	return []byte("{}"), nil
}

// hearPeers takes in what the replicas that are alive tell.
func (s *Server) hearPeers(all []store.Replica) {
	before := s.cluster.peers.Load()
	now := &peers{}
	if s.cluster.leads.Load() {
		now.leader = s.cluster.name
	}
	var names []string
	changed := len(all)-1 != len(before.all)
	for _, r := range all {
		if r.ID == s.cluster.name {
			if r.Addresses[addressProcess] != s.cluster.process {
				s.cluster.complain("", func() {
					s.log.Error("another process calls itself by the name of this replica: give each its own with --replica", "replica", r.ID)
				})
			}
			continue
		}
		p := peer{Replica: r}
		if err := json.Unmarshal(r.Report, &p.report); err != nil {
			s.log.Warn("what a replica tells cannot be read", "replica", r.ID, "error", err)
		}
		names = append(names, r.ID)
		s.analytics.Learn(r.ID, p.report.Steps)
		if p.report.Leads && now.leader == "" {
			now.leader = r.ID
		}
		i := slices.IndexFunc(before.all, func(old peer) bool { return old.ID == r.ID })
		changed = changed || i < 0 || string(before.all[i].Report) != string(r.Report)
		now.all = append(now.all, p)
	}
	s.analytics.Forget(names)
	s.cluster.peers.Store(now)
	if changed && s.cluster.leads.Load() {
		s.rollouts.Wake()
	}
}
