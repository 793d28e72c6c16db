package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/store"
)

// kindOrder is the kind of observed values by which replicas ask each other for something. Who does it removes the value.
const kindOrder = "order"

// order is what one replica alone can do, asked of all.
type order struct {
	Retry *nodeName `json:"retry,omitempty"` // Of the replica to which the node is connected.
	Force string    `json:"force,omitempty"` // Of the leader: an Upstream whose empty answer is meant.
	By    string    `json:"by,omitempty"`
}

type nodeName struct {
	Fleet string `json:"fleet"`
	Node  string `json:"node"`
}

// ask puts an order where the other replicas find it.
func (s *Server) ask(ctx context.Context, name string, o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write an order: %w", err)
	}
	_, err = s.store.Observed.Put(ctx, store.Value{Kind: kindOrder, Name: name, Value: text, Author: o.By}, store.AnyVersion)
	return err
}

// obey does the orders that are this replica's to do.
func (s *Server) obey(ctx context.Context) error {
	values, err := s.store.Observed.List(ctx, kindOrder)
	if err != nil {
		return err
	}
	for _, v := range values {
		var o order
		late := s.options.Now().Sub(v.Changed) > knownFor && s.cluster.leads.Load()
		if err := json.Unmarshal(v.Value, &o); err == nil && !late && !s.does(ctx, o) {
			continue
		}
		if err := s.store.Observed.Delete(ctx, v, v.Version); err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// does reports whether an order was this replica's to do, and does it.
func (s *Server) does(ctx context.Context, o order) bool {
	switch {
	case o.Retry != nil && s.serves(o.Retry.Fleet, o.Retry.Node):
		return s.xds.Retry(o.Retry.Fleet, o.Retry.Node)
	case o.Force != "" && s.cluster.leads.Load():
		if _, err := s.observed.Push(ctx, o.Force, observed.Change{All: true, Force: true, Author: o.By}); err != nil {
			s.log.Warn("an empty set of endpoints was not forced", "upstream", o.Force, "author", o.By, "error", err)
		}
		return true
	}
	return false
}

// serves reports whether a node is connected to this replica.
func (s *Server) serves(fleet, node string) bool {
	_, connected := s.xds.Holdings(fleet, node)
	return connected
}

// retryElsewhere asks the replica to which a node is connected to send it once more what it refused. false: it is connected to
// none.
func (s *Server) retryElsewhere(fleet, node string) bool {
	if _, is := s.elsewhere(fleet)[nodeKey{fleet, node}]; !is {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := s.ask(ctx, "retry/"+fleet+"/"+node, order{Retry: &nodeName{fleet, node}}); err != nil {
		s.log.Error("the replica of a node cannot be asked", "fleet", fleet, "node", node, "error", err)
		return false
	}
	return true
}

// forceElsewhere asks the leader to let an empty set of endpoints through, where that is what a change says and only the leader can.
func (m management) forceElsewhere(ctx context.Context, now admin.EndpointSet, c admin.EndpointChange) (bool, error) {
	forces := c.All && c.Force && len(c.Set)+len(c.Add)+len(c.Remove) == 0
	learnt := now.Source != string(observed.Pushed) && now.Source != string(observed.List)
	if m.cluster == nil || m.cluster.leads.Load() || !forces || !learnt || now.Held.IsZero() {
		return false, nil
	}
	return true, m.ask(ctx, "force/"+now.Upstream, order{Force: now.Upstream, By: c.Author})
}
