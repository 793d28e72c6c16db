package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/server"
)

// pusher is the floor of delivery: it answers the first request of each type with all there is, from messages that were made
// once, and reads the rest.
type pusher struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	responses map[string]*discoveryv3.DeltaDiscoveryResponse
}

// DeltaAggregatedResources serves one client.
func (p *pusher) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	sent := map[string]bool{}
	for {
		q, err := stream.Recv()
		if err != nil {
			return err
		}
		response := p.responses[q.GetTypeUrl()]
		if sent[q.GetTypeUrl()] || response == nil {
			continue
		}
		sent[q.GetTypeUrl()] = true
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// newPusher serves what Gatehouse makes of a directory, on a socket in another.
func newPusher(ctx context.Context, documents, dir string) (*service, error) {
	checked, faults := server.Check(documents, os.LookupEnv)
	if len(faults) > 0 {
		return nil, faults
	}
	p := &pusher{responses: map[string]*discoveryv3.DeltaDiscoveryResponse{}}
	res := checked.Fleets[fleetEdge]
	if res == nil {
		return nil, errors.New("the documents have no such fleet")
	}
	err := errors.Join(
		add(p, res.Clusters), add(p, res.Endpoints), add(p, res.Listeners), add(p, res.Routes), add(p, res.VirtualHosts))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "pusher.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := grpc.NewServer(server.GRPCOptions()...)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s, p)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return &service{
		addresses: map[string]string{"xds": envoy.SocketScheme + path},
		stop:      func(context.Context) error { s.Stop(); return <-served },
	}, nil
}

// add makes the response of one type.
func add[M proto.Message](p *pusher, all []M) error {
	out := &discoveryv3.DeltaDiscoveryResponse{Nonce: "1"}
	for _, m := range all {
		body, err := anypb.New(m)
		if err != nil {
			return fmt.Errorf("marshal: %w", err)
		}
		var name string
		switch m := any(m).(type) {
		case interface{ GetClusterName() string }:
			name = m.GetClusterName()
		case interface{ GetName() string }:
			name = m.GetName()
		}
		out.TypeUrl = body.GetTypeUrl()
		out.Resources = append(out.Resources, &discoveryv3.Resource{Name: name, Version: "1", Resource: body})
	}
	p.responses[out.TypeUrl] = out
	return nil
}

// pushed measures the floor: the first delivery to clients that are asked to connect.
func (b *bench) pushed(ctx context.Context, documents, connect string) (out spent, err error) {
	dir, err := b.subdir("pusher")
	if err != nil {
		return out, err
	}
	floor, err := spawn(ctx, b.progress, "pusher", documents, dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, floor.stop()) }()
	nodes, err := spawn(ctx, b.progress, "envoys", floor.hello.Addresses["xds"])
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, nodes.stop()) }()
	return costOf(floor, func() (received, error) { return asked(nodes, connect) })
}
