package cache

import (
	"context"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// maySeeKeys tells whether private keys may be sent over a stream: through a Unix socket, whose peers the server has checked, or
// over mutual TLS, where the certificate says who asks. Plain TCP carries none, on loopback neither: there every user of the
// host could ask.
func maySeeKeys(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return false
	}
	if p.Addr.Network() == "unix" {
		return true
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	return ok && info.State.HandshakeComplete && len(info.State.PeerCertificates) > 0
}

// withoutSecrets returns the snapshot as it is sent where private keys may not be.
func (s *Snapshot) withoutSecrets() *Snapshot {
	if s == nil || s.bare == nil {
		return s
	}
	return s.bare
}

// strip makes what withoutSecrets returns, once the snapshot is whole.
func (s *Snapshot) strip() {
	if len(s.sets[secrets].names) == 0 {
		return
	}
	bare := *s
	bare.sets[secrets] = set{byName: map[string]*Resource{}}
	s.bare = &bare
}
