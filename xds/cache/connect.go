package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
)

// adsStream is the server's side of a delta ADS stream.
type adsStream = discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer

// meet starts a stream's goroutines, learns who the node is from its first request, and makes its session known.
func (s *Server) meet(ctx context.Context, cancel context.CancelCauseFunc, rpc adsStream) (*session, error) {
	requests := make(chan *discoveryv3.DeltaDiscoveryRequest)
	s.streams.Go(func() { receive(ctx, cancel, rpc, requests) })
	first, err := s.hello(ctx, requests)
	if err != nil {
		return nil, err
	}
	id, err := s.identify(ctx, first.GetNode())
	if err != nil {
		return nil, err
	}
	now := s.settings.Now()
	session := &session{
		server:   s,
		log:      s.settings.Log.With("fleet", id.fleet, "node", id.name),
		id:       id,
		node:     introduce(ctx, id, first.GetNode(), now),
		secret:   maySeeKeys(ctx),
		requests: requests,
		queue:    make(chan output, kinds+maxOverdue), // no more responses are outstanding, so this is never full
		wakeup:   make(chan struct{}, 1),
		stream:   newStream(s.settings.Names),
	}
	session.stream.barred = func(k kind, name, version string) bool {
		return s.book.bars(charge{session.node.Envoy, k, name, version})
	}
	streams, err := s.nodes.join(session, now)
	if err != nil {
		return nil, err
	}
	s.logJoin(ctx, session, streams)
	s.settings.Changed(id.fleet)
	s.streams.Go(func() { session.deliver(ctx, cancel, rpc) })
	if _, err := session.request(ctx, first); err != nil { // it has no snapshot yet, so nothing is to be sent
		s.leave(ctx, session, err)
		return nil, err
	}
	return session, nil
}

// hello waits for the first request, within the bound.
func (s *Server) hello(ctx context.Context, requests <-chan *discoveryv3.DeltaDiscoveryRequest) (*discoveryv3.DeltaDiscoveryRequest, error) {
	timer := time.NewTimer(s.settings.Hello)
	defer timer.Stop()
	select {
	case first := <-requests:
		return first, nil
	case <-timer.C:
		return nil, errSilent
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.stop:
		return nil, errStopping
	}
}

// identify tells which node speaks: by its certificate where the connection has one, and by its first request. What the
// request says must not differ; what it leaves out is taken from the certificate.
func (s *Server) identify(ctx context.Context, node *corev3.Node) (identity, error) {
	id := identity{fleet: node.GetCluster(), name: node.GetId()}
	if fleet, name, ok := s.settings.Identity(ctx); ok {
		proven := identity{fleet, name}
		if id.fleet != "" && id.fleet != fleet || id.name != "" && id.name != name {
			return id, fmt.Errorf("%w: the certificate is for node %q of fleet %q, the bootstrap says node.id %.100q and node.cluster %.100q",
				errForeign, name, fleet, id.name, id.fleet)
		}
		id = proven
	}
	if id.fleet == "" || id.name == "" {
		return id, fmt.Errorf("%w: the bootstrap must set node.id and node.cluster (the fleet); got id %.100q, cluster %.100q", errNode, id.name, id.fleet)
	}
	if len(id.fleet) > maxName || len(id.name) > maxName {
		return id, fmt.Errorf("%w: node.id and node.cluster may have %d bytes", errNode, maxName)
	}
	return id, nil
}

// addressOf returns the peer's address: IP:PORT, or unix where it came through a socket on this host.
func addressOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	if p.Addr.Network() == "unix" {
		return "unix" // the peer's end has no name
	}
	return p.Addr.String()
}

// introduce reads from a first request what does not change while a node is connected.
func introduce(ctx context.Context, id identity, node *corev3.Node, now time.Time) Node {
	n := Node{Fleet: id.fleet, Name: id.name, Address: addressOf(ctx), Connected: now}
	n.Envoy = node.GetUserAgentVersion()
	if v := node.GetUserAgentBuildVersion().GetVersion(); v != nil {
		n.Envoy = fmt.Sprintf("%d.%d.%d", v.GetMajorNumber(), v.GetMinorNumber(), v.GetPatch())
	}
	n.Warning = envoy.TooOld(n.Envoy)
	n.Admin = node.GetMetadata().GetFields()[envoy.KeyAdmin].GetStringValue()
	n.Bootstrap = node.GetMetadata().GetFields()[envoy.KeyBootstrap].GetStringValue()
	n.Zone = node.GetLocality().GetZone()
	n.Labels = labels(node.GetMetadata().GetFields()[envoy.KeyLabels].GetStructValue().GetFields())
	return n
}

// maxLabels is how many labels of a node are kept; a bootstrap that Gatehouse wrote has fewer.
const maxLabels = 100

// labels reads a node's labels; what is no text, or beyond the bounds, is left out.
func labels(fields map[string]*structpb.Value) map[string]string {
	var all map[string]string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, ok := fields[key].GetKind().(*structpb.Value_StringValue)
		if !ok || len(key)+len(value.StringValue) > maxName || len(all) == maxLabels {
			continue
		}
		if all == nil {
			all = map[string]string{}
		}
		all[key] = value.StringValue
	}
	return all
}

// logJoin says that a node came, and what is odd about it.
func (s *Server) logJoin(ctx context.Context, session *session, streams int) {
	log, node := session.log, session.node
	log.InfoContext(ctx, "node connected", "address", node.Address, "envoy", node.Envoy, "bootstrap", node.Bootstrap)
	if streams > 1 {
		log.WarnContext(ctx, "node has another stream: two proxies of one name, or the former is not known to be dead yet",
			"streams", streams)
	}
	if node.Warning != "" {
		log.WarnContext(ctx, "node is too old", "envoy", node.Envoy, "warning", node.Warning)
	}
	switch snapshot := s.snapshot(session.id); {
	case snapshot == nil:
		log.WarnContext(ctx, "fleet has no snapshot: the node waits for one")
	case snapshot != snapshot.withoutSecrets() && !session.secret:
		log.WarnContext(ctx, "node gets no certificates: private keys go only through a Unix socket or over mutual TLS")
	}
}

// leave notes that a stream ended, and says why.
func (s *Server) leave(ctx context.Context, session *session, err error) {
	now := s.settings.Now()
	s.nodes.leave(session, now)
	reason := err.Error()
	if errors.Is(err, io.EOF) {
		reason = "closed by the node"
	}
	session.log.InfoContext(ctx, "node disconnected", "reason", reason, "connected_for", now.Sub(session.node.Connected))
	s.settings.Changed(session.id.fleet)
}

// receive hands on what the node sends, one at a time, until the stream ends.
func receive(ctx context.Context, cancel context.CancelCauseFunc, rpc adsStream, requests chan<- *discoveryv3.DeltaDiscoveryRequest) {
	for {
		req, err := rpc.Recv()
		if err != nil {
			cancel(err)
			return
		}
		select {
		case requests <- req:
		case <-ctx.Done():
			return
		}
	}
}

// deliver sends what is queued, and ends the stream of a node that does not read.
func (s *session) deliver(ctx context.Context, cancel context.CancelCauseFunc, rpc adsStream) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-s.queue:
			s.server.counters.sent(o)
			s.sent[o.kind].responses.Add(1)
			s.sent[o.kind].bytes.Add(uint64(o.size))
			slow := time.AfterFunc(s.server.settings.SendTimeout, func() { cancel(errSlow) })
			err := s.send(rpc, o)
			slow.Stop()
			if err != nil {
				cancel(err)
				return
			}
		}
	}
}

// send sends one response, by the bytes that all nodes share where the gRPC server can.
func (s *session) send(rpc adsStream, o output) error {
	if s.server.settings.Shared {
		return rpc.SendMsg(o.encode())
	}
	return rpc.Send(o.message)
}
