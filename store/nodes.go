package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Nodes are the Envoys that were ever seen, until they are forgotten.
type Nodes struct{ db *database }

// Node is what is known of one Envoy. Its key is fleet and name.
type Node struct {
	Fleet     string
	Name      string
	Envoy     string // Version of Envoy.
	Bootstrap string // Version of the bootstrap.
	Address   string
	Entry     int64  // The entry that it acknowledged whole last; 0 for none.
	Content   string // And that entry's content id.
	Labels    map[string]string
	FirstSeen time.Time
	LastSeen  time.Time
}

const nodeColumns = "fleet, name, envoy, bootstrap, address, entry, content, labels, first_seen, last_seen"

func scanNode(scan func(...any) error) (n Node, err error) {
	var first, last int64
	var labels []byte
	if err := scan(&n.Fleet, &n.Name, &n.Envoy, &n.Bootstrap, &n.Address, &n.Entry, &n.Content, &labels, &first, &last); err != nil {
		return Node{}, err
	}
	n.FirstSeen, n.LastSeen = at(first), at(last)
	if err := json.Unmarshal(labels, &n.Labels); err != nil {
		return Node{}, fmt.Errorf("%w: labels of node %s/%s: %w", ErrCorrupt, n.Fleet, n.Name, err)
	}
	return n, nil
}

// putNode keeps what it is not told: a node that has acknowledged nothing on this stream has still acknowledged what it did
// before. What is older than what is stored changes nothing: the daemon that hands over may write after its successor.
const putNode = `INSERT INTO nodes (` + nodeColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
	ON CONFLICT (fleet, name) DO UPDATE SET envoy = excluded.envoy, bootstrap = excluded.bootstrap, address = excluded.address,
		entry = CASE WHEN excluded.content = '' THEN nodes.entry ELSE excluded.entry END,
		content = CASE WHEN excluded.content = '' THEN nodes.content ELSE excluded.content END,
		labels = excluded.labels, last_seen = excluded.last_seen
	WHERE excluded.last_seen >= nodes.last_seen`

// Put stores nodes, all or none. A node that is known keeps its FirstSeen, and its Entry and Content where the new Content
// is empty; one that was seen later than the argument's LastSeen is left as it is. A zero LastSeen stands for now. FirstSeen
// of the argument is ignored.
func (n *Nodes) Put(ctx context.Context, nodes ...Node) error {
	if len(nodes) == 0 {
		return nil
	}
	now := n.db.now()
	return n.db.change(ctx, "store nodes", func(ctx context.Context, tx *transaction) error {
		put, err := tx.PrepareContext(ctx, putNode)
		if err != nil {
			return err
		}
		defer func() { _ = put.Close() }()
		for _, node := range nodes {
			tx.notice(ConcernNodes, node.Fleet)
			if node.Fleet == "" || node.Name == "" {
				return fmt.Errorf("%w: a node has a fleet and a name, not %q and %q", ErrInvalid, node.Fleet, node.Name)
			}
			if node.LastSeen.IsZero() {
				node.LastSeen = now
			}
			labels, err := json.Marshal(node.Labels)
			if err != nil {
				return err
			}
			if _, err := put.ExecContext(ctx, node.Fleet, node.Name, node.Envoy, node.Bootstrap, node.Address,
				node.Entry, node.Content, string(labels), moment(node.LastSeen)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Get returns one node, or ErrNotFound.
func (n *Nodes) Get(ctx context.Context, fleet, name string) (node Node, err error) {
	err = n.db.view(ctx, fmt.Sprintf("read node %s/%s", fleet, name), func(ctx context.Context, q querier) error {
		node, err = one(ctx, q, scanNode, "SELECT "+nodeColumns+" FROM nodes WHERE fleet = $1 AND name = $2", fleet, name)
		return err
	})
	return node, err
}

// List returns the nodes of a fleet, or of all where it is "", by fleet and name.
func (n *Nodes) List(ctx context.Context, fleet string) (nodes []Node, err error) {
	err = n.db.view(ctx, "list nodes", func(ctx context.Context, q querier) error {
		nodes, err = collect(ctx, q, scanNode,
			"SELECT "+nodeColumns+" FROM nodes WHERE fleet = $1 OR $1 = '' ORDER BY fleet, name", fleet)
		return err
	})
	return nodes, err
}

// Forget removes the nodes that were last seen before a time, and returns how many.
func (n *Nodes) Forget(ctx context.Context, before time.Time) (forgotten int, err error) {
	err = n.db.change(ctx, "forget nodes", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernNodes, "")
		forgotten, err = exec(ctx, tx, "DELETE FROM nodes WHERE last_seen < $1", moment(before))
		return err
	})
	return forgotten, err
}
