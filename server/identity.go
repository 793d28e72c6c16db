package server

import (
	"context"
	"errors"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/join"
)

// caller returns which node a call comes from, by its certificate. Without one, on a Unix socket, known is false: who may
// open the socket is believed. The error tells that the call contradicts the certificate, or that this has expired.
func (s *Server) caller(ctx context.Context) (id join.Identity, known bool, err error) {
	peer, known := join.PeerOf(ctx)
	if !known {
		return join.Identity{}, false, nil
	}
	id = peer.Identity
	if s.options.Now().After(peer.Expires) {
		err = fmt.Errorf("the certificate of node %s/%s has expired since it connected", id.Fleet, id.Node)
	} else if said := metadata.ValueFromIncomingContext(ctx, envoy.HeaderNode); len(said) > 1 || len(said) == 1 && said[0] != id.Fleet+"/"+id.Node {
		err = fmt.Errorf("node %s/%s, as its certificate says, calls as %.200q", id.Fleet, id.Node, said)
	}
	if err != nil {
		s.impostors.Add(1)
	}
	return id, true, err
}

// callerFleet tells authorization and limits for which fleet a node may ask.
func (s *Server) callerFleet(ctx context.Context) (fleet string, known bool, err error) {
	id, known, err := s.caller(ctx)
	return id.Fleet, known, err
}

// callerNode tells xDS and access logs who speaks, whatever it says.
func callerNode(ctx context.Context) (fleet, node string, known bool) {
	peer, known := join.PeerOf(ctx)
	return peer.Identity.Fleet, peer.Identity.Node, known
}

// provenStream refuses the streams of nodes that say to be others than their certificates. Calls that are no streams are
// looked at by the service that answers them, as it knows how to refuse so that no failure mode lets the request pass.
func (s *Server) provenStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	id, known, err := s.caller(stream.Context())
	if !known {
		err = errors.New("no certificate")
	}
	if err != nil {
		s.log.WarnContext(stream.Context(), "stream refused", "reason", err.Error())
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return handle(srv, &provenMessages{stream, id})
}

// provenMessages looks at each message of a stream that names a node: a node may say who it is more than once.
type provenMessages struct {
	grpc.ServerStream

	id join.Identity
}

// RecvMsg receives a message, and refuses one that names another node than the certificate.
func (p *provenMessages) RecvMsg(m any) error {
	if err := p.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	named, ok := m.(interface{ GetNode() *corev3.Node })
	if !ok || named.GetNode() == nil {
		return nil
	}
	if n := named.GetNode(); n.GetCluster() != p.id.Fleet || n.GetId() != p.id.Node {
		return status.Errorf(codes.PermissionDenied, "node %s/%s, as its certificate says, calls itself %.100q of fleet %.100q: its bootstrap belongs to another certificate",
			p.id.Fleet, p.id.Node, n.GetId(), n.GetCluster())
	}
	return nil
}
