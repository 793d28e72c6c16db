package join

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Peer is a node at the other end of a connection, as its certificate proves.
type Peer struct {
	credentials.TLSInfo

	Identity Identity
	Expires  time.Time // When the certificate does.
}

// Credentials makes a gRPC server ask for the certificates of nodes, and know them by PeerOf.
func (a *Authority) Credentials(hosts []string) credentials.TransportCredentials {
	return &nodeCredentials{TransportCredentials: credentials.NewTLS(a.NodeTLS(hosts)), authority: a}
}

// nodeCredentials read a node's identity once for each connection, not for each call.
type nodeCredentials struct {
	credentials.TransportCredentials

	authority *Authority
}

// ServerHandshake does the TLS handshake and says who came.
func (n *nodeCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := n.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	shown, ok := info.(credentials.TLSInfo)
	if !ok || len(shown.State.PeerCertificates) == 0 {
		return nil, nil, errors.Join(errors.New("a connection without a certificate"), c.Close())
	}
	leaf := shown.State.PeerCertificates[0]
	id, err := identityOf(leaf, n.authority.options.Domain)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	watched, err := n.authority.revoked.watch(c, shownOf(leaf, id))
	if err != nil {
		return nil, nil, err
	}
	return watched, Peer{shown, id, leaf.NotAfter}, nil
}

// Clone returns a copy.
func (n *nodeCredentials) Clone() credentials.TransportCredentials {
	return &nodeCredentials{n.TransportCredentials.Clone(), n.authority}
}

// PeerOf returns the node that a call comes from, where the connection proves one; on a Unix socket none does.
func PeerOf(ctx context.Context) (Peer, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Peer{}, false
	}
	known, ok := p.AuthInfo.(Peer)
	return known, ok
}
