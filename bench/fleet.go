package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// How large the fleet is, and what it is given.
const (
	fleetEdge   = "edge"
	fleetNodes  = 300
	fleetHosts  = 100
	fleetRoutes = 50 // At each host.
	fewNodes    = 10 // Where one host has all the routes.
)

// Targets of delivery to the fleet.
const (
	firstTarget     = 3_000 // Milliseconds of CPU for the first delivery to all.
	changeTarget    = 100   // Milliseconds of CPU for a change of one route, from the file to the last node.
	changeBytes     = 1.2   // Bytes that a node gets for it, against the changed virtual host's own.
	memoryTarget    = 200   // MiB that the daemon holds at most.
	reconnectTarget = 1_024 // Bytes to each node that comes back with what it has.
)

// fleet measures the delivery to many nodes: the first, that of a change, and that after all have come back. The floor is a
// server that sends the same bytes and keeps nothing in mind.
func (b *bench) fleet(ctx context.Context) error {
	err := b.withFleet(ctx, fleetHosts, fleetNodes, func(dir string, daemon, nodes *child, first, floor spent) error {
		what := fmt.Sprintf("%d nodes, %d hosts of %d routes: ", fleetNodes, fleetHosts, fleetRoutes)
		b.absolute(what+"first delivery, CPU", "ms", first.cpu, floor.cpu, firstTarget)
		b.absolute(what+"first delivery, bytes to a node", "B", float64(first.Most), float64(floor.Most), 0)
		if err := b.fleetChanges(ctx, what, dir, daemon, nodes, floor); err != nil {
			return err
		}
		return b.fleetAgain(ctx, what, daemon, nodes)
	})
	if err != nil {
		return err
	}
	return b.withFleet(ctx, 1, fewNodes, func(dir string, daemon, nodes *child, _, floor spent) error {
		what := fmt.Sprintf("%d nodes, one host of %s routes: one route changed, ", fewNodes, grouped(fleetHosts*fleetRoutes))
		change, err := b.fleetChange(dir, 0, daemon, nodes, 0)
		if err != nil {
			return err
		}
		b.absolute(what+"bytes to a node", "B", float64(change.Most), float64(floor.Most), 0)
		b.absolute(what+"CPU", "ms", change.cpu, floor.cpu, 0)
		b.absolute(what+"until the last node has it", "ms", float64(change.Took.Microseconds())/1000, float64(floor.Took.Microseconds())/1000, 0)
		return nil
	})
}

// withFleet connects clients to a daemon with a fleet's documents, once they were connected to the floor.
func (b *bench) withFleet(ctx context.Context, hosts, number int,
	do func(dir string, daemon, nodes *child, first, floor spent) error,
) (err error) {
	dir, err := b.fleetDocuments(hosts)
	if err != nil {
		return err
	}
	connect := fmt.Sprintf("connect %d %d", number, hosts+1)
	floor, err := b.pushed(ctx, dir, connect)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	state, err := b.subdir(fmt.Sprintf("hosts-%d.state", hosts))
	if err != nil {
		return err
	}
	daemon, err := spawn(ctx, b.progress, "gatehouse", dir, state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()
	nodes, err := spawn(ctx, b.progress, "envoys", daemon.hello.Addresses["xds"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.stop()) }()
	first, err := costOf(daemon, func() (received, error) { return asked(nodes, connect) })
	if err != nil {
		return err
	}
	return do(dir, daemon, nodes, first, floor)
}

// fleetChanges changes one route several times; the last time one node refuses everything.
func (b *bench) fleetChanges(ctx context.Context, what, dir string, daemon, nodes *child, floor spent) error {
	host := float64(floor.Most) / fleetHosts
	var cpu, took, bytes []float64
	for i := range b.loads + 1 {
		if i == b.loads {
			if _, err := asked(nodes, "refuse"); err != nil {
				return err
			}
			if err := b.settled(ctx, daemon, fleetNodes); err != nil {
				return err
			}
		}
		change, err := b.fleetChange(dir, 7, daemon, nodes, i)
		if err != nil {
			return err
		}
		if i < b.loads {
			cpu, took, bytes = append(cpu, change.cpu), append(took, float64(change.Took.Microseconds())/1000), append(bytes, float64(change.Most))
			continue
		}
		b.absolute(what+"responses to a node that refuses everything, for one change", "", float64(change.Refused), 1, 1)
		b.absolute(what+"one route changed meanwhile, until the last other node has it", "ms", float64(change.Took.Microseconds())/1000, spreadOf(took).median, 0)
	}
	b.table.compare(what+"bytes to a node for one changed route, against a virtual host's", "B", bytes, repeated(host, len(bytes)), target{bound: changeBytes})
	b.table.compare(what+"CPU for one changed route, from the file to the last node", "ms", cpu, repeated(floor.cpu, len(cpu)),
		target{bound: changeTarget, unit: "ms", value: spreadOf(cpu).median})
	b.table.compare(what+"time for it, with the watcher's wait", "ms", took, took, target{})
	held, err := memoryOf(daemon)
	if err != nil {
		return err
	}
	b.absolute(what+"most memory held by the daemon", "MiB", held, held, memoryTarget)
	return nil
}

// fleetChange changes one route and waits until every node has it.
func (b *bench) fleetChange(dir string, host int, daemon, nodes *child, turn int) (spent, error) {
	if _, err := asked(nodes, "mark"); err != nil {
		return spent{}, err
	}
	return costOf(daemon, func() (received, error) {
		err := writeFile(filepath.Join(dir, "api-7.yaml"), fleetAPI(7, host, fmt.Sprintf("/changed-%d", turn)))
		if err != nil {
			return received{}, err
		}
		return asked(nodes, "changed")
	})
}

// fleetAgain loses every stream, as a restart of the daemon does, and counts what is sent once more.
func (b *bench) fleetAgain(ctx context.Context, what string, daemon, nodes *child) error {
	back, err := costOf(daemon, func() (received, error) {
		if _, err := asked(nodes, "again"); err != nil {
			return received{}, err
		}
		if err := b.settled(ctx, daemon, fleetNodes); err != nil {
			return received{}, err
		}
		return asked(nodes, "count")
	})
	if err != nil {
		return err
	}
	b.absolute(what+"all come back, bytes to a node", "B", float64(back.Most), reconnectTarget, reconnectTarget)
	b.absolute(what+"all come back, CPU", "ms", back.cpu, back.cpu, 0)
	return nil
}

// spent is what came of something, and the CPU time that the daemon used for it, in milliseconds.
type spent struct {
	received
	cpu float64
}

func costOf(c *child, do func() (received, error)) (spent, error) {
	before, err := c.cpu()
	if err != nil {
		return spent{}, err
	}
	got, err := do()
	if err != nil {
		return spent{}, err
	}
	after, err := c.cpu()
	return spent{got, float64((after - before).Microseconds()) / 1000}, err
}

func asked(c *child, question string) (received, error) {
	answer, err := c.ask(question)
	if err != nil {
		return received{}, err
	}
	return parse[received](answer)
}

// memoryOf returns the most memory that a child has held, in MiB.
func memoryOf(c *child) (float64, error) {
	answer, err := c.ask("memory")
	if err != nil {
		return 0, err
	}
	bytes, err := parse[int64](answer)
	return float64(bytes) / (1 << 20), err
}

// absolute adds a line of one value, which is to be at most bound.
func (b *bench) absolute(what, unit string, ours, floor, bound float64) {
	goal := target{}
	if bound > 0 {
		goal = target{bound: bound, unit: unit, value: ours}
	}
	b.table.compare(what, unit, []float64{ours}, []float64{floor}, goal)
}

func repeated(value float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = value
	}
	return values
}

// settled waits until the daemon says that so many nodes are synced.
func (b *bench) settled(ctx context.Context, daemon *child, nodes int) error {
	client, err := admin.Dial(daemon.hello.Addresses["admin"], "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		known, err := client.Nodes(ctx, fleetEdge)
		if err != nil {
			return err
		}
		synced := 0
		for _, n := range known {
			if n.State == "synced" {
				synced++
			}
		}
		if synced >= nodes {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes are synced: %w", synced, nodes, context.Cause(ctx))
		}
	}
}
