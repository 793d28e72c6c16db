//go:build e2e

package e2e_test

import (
	"context"
	"net"
	"path/filepath"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// endpointsType is the type of endpoint lists.
const endpointsType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

// detour stands between a daemon and its Envoys, and does something to each answer before it goes on. Answers of one type keep
// their order; those of others overtake them, as they do on a slow host.
type detour struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	daemon discoveryv3.AggregatedDiscoveryServiceClient
	meddle func(context.Context, *discoveryv3.DeltaDiscoveryResponse)
}

// detour starts one and returns its address.
func (w *world) detour(meddle func(context.Context, *discoveryv3.DeltaDiscoveryResponse)) string {
	w.t.Helper()
	conn, err := grpc.NewClient(w.server.Addrs().XDS, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	socket := filepath.Join(needs.SocketDir(w.t), "detour.sock")
	l, err := new(net.ListenConfig).Listen(w.t.Context(), "unix", socket)
	if err != nil {
		w.t.Fatal(err)
	}
	s := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s, &detour{daemon: discoveryv3.NewAggregatedDiscoveryServiceClient(conn), meddle: meddle})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	w.t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			w.t.Errorf("detour: %v", err)
		}
		_ = conn.Close()
	})
	return "unix:" + socket
}

// DeltaAggregatedResources carries one Envoy's stream.
func (d *detour) DeltaAggregatedResources(envoy discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	group, ctx := errgroup.WithContext(envoy.Context())
	daemon, err := d.daemon.DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	group.Go(func() error {
		for {
			r, err := envoy.Recv()
			if err != nil {
				return err
			}
			if err := daemon.Send(r); err != nil {
				return err
			}
		}
	})
	ready := make(chan *discoveryv3.DeltaDiscoveryResponse)
	group.Go(func() error {
		queues := map[string]chan *discoveryv3.DeltaDiscoveryResponse{}
		for {
			r, err := daemon.Recv()
			if err != nil {
				return err
			}
			queue := queues[r.TypeUrl]
			if queue == nil {
				queue = make(chan *discoveryv3.DeltaDiscoveryResponse, 16)
				queues[r.TypeUrl] = queue
				group.Go(func() error { return d.carry(ctx, queue, ready) })
			}
			select {
			case queue <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	group.Go(func() error {
		for {
			select {
			case r := <-ready:
				if err := envoy.Send(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return group.Wait()
}

// carry meddles with the answers of one type.
func (d *detour) carry(ctx context.Context, queue <-chan *discoveryv3.DeltaDiscoveryResponse, ready chan<- *discoveryv3.DeltaDiscoveryResponse) error {
	for {
		select {
		case r := <-queue:
			d.meddle(ctx, r)
			select {
			case ready <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
