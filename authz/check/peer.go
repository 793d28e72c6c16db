package check

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse/gatehouse/internal/wire"
)

// Fields of AttributeContext.Peer (envoy/service/auth/v3/attribute_context.proto), of Address and SocketAddress
// (envoy/config/core/v3/address.proto), and of Timestamp (google/protobuf/timestamp.proto).
const (
	peerAddress     = 1<<3 | wire.Bytes
	peerService     = 2<<3 | wire.Bytes
	peerLabels      = 3<<3 | wire.Bytes
	peerPrincipal   = 4<<3 | wire.Bytes
	peerCertificate = 5<<3 | wire.Bytes

	addressSocket   = 1<<3 | wire.Bytes
	addressPipe     = 2<<3 | wire.Bytes
	addressInternal = 3<<3 | wire.Bytes

	socketProtocol  = 1<<3 | wire.Varint
	socketAddress   = 2<<3 | wire.Bytes
	socketPort      = 3<<3 | wire.Varint
	socketNamedPort = 4<<3 | wire.Bytes
	socketResolver  = 5<<3 | wire.Bytes
	socketCompat    = 6<<3 | wire.Varint
	socketNamespace = 7<<3 | wire.Bytes

	timeSeconds = 1<<3 | wire.Varint
	timeNanos   = 2<<3 | wire.Varint
)

func (p *party) read(r *wire.Reader) error {
	for r.Next() {
		switch r.Tag {
		case peerAddress:
			p.peer.Address = &p.address
			in := r.Message()
			r.Fail(p.readAddress(&in))
		case peerService:
			p.peer.Service = r.Text()
		case peerLabels:
			if p.peer.Labels == nil {
				p.peer.Labels = make(map[string]string, fewEntries)
			}
			key, value := r.TextEntry()
			p.peer.Labels[key] = value
		case peerPrincipal:
			p.peer.Principal = r.Text()
		case peerCertificate:
			p.peer.Certificate = r.Text()
		}
	}
	return r.Err()
}

// readAddress reads an Address. Of several ways to say it the last counts; of several of one kind it is merged.
func (p *party) readAddress(r *wire.Reader) error {
	for r.Next() {
		switch r.Tag {
		case addressSocket:
			if p.address.GetSocketAddress() == nil {
				p.socket, p.way.SocketAddress = corev3.SocketAddress{}, &p.socket
				p.address.Address = &p.way
			}
			in := r.Message()
			r.Fail(p.readSocket(&in))
		case addressPipe:
			pipe := made(p.address.GetPipe())
			p.address.Address = &corev3.Address_Pipe{Pipe: pipe}
			merge(r, pipe)
		case addressInternal:
			internal := made(p.address.GetEnvoyInternalAddress())
			p.address.Address = &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: internal}
			merge(r, internal)
		}
	}
	return r.Err()
}

func (p *party) readSocket(r *wire.Reader) error {
	s := &p.socket
	for r.Next() {
		switch r.Tag {
		case socketProtocol:
			s.Protocol = corev3.SocketAddress_Protocol(r.Number()) //nolint:gosec // How an enumeration is written.
		case socketAddress:
			s.Address = r.Text()
		case socketPort:
			p.port.PortValue = uint32(r.Number()) //nolint:gosec // How uint32 is written.
			s.PortSpecifier = &p.port
		case socketNamedPort:
			s.PortSpecifier = &corev3.SocketAddress_NamedPort{NamedPort: r.Text()}
		case socketResolver:
			s.ResolverName = r.Text()
		case socketCompat:
			s.Ipv4Compat = r.Number() != 0
		case socketNamespace:
			s.NetworkNamespaceFilepath = r.Text()
		}
	}
	return r.Err()
}

func readTime(r *wire.Reader, t *timestamppb.Timestamp) error {
	for r.Next() {
		switch r.Tag {
		case timeSeconds:
			t.Seconds = int64(r.Number()) //nolint:gosec // How int64 is written.
		case timeNanos:
			t.Nanos = int32(r.Number()) //nolint:gosec // How int32 is written.
		}
	}
	return r.Err()
}

// made returns a message, a new one where there is none.
func made[M any](m *M) *M {
	if m == nil {
		return new(M)
	}
	return m
}

// merge has package proto read the field at hand, of a kind that few messages have, into m.
func merge(r *wire.Reader, m proto.Message) {
	r.Fail(proto.UnmarshalOptions{Merge: true, DiscardUnknown: true}.Unmarshal(r.Raw(), m))
}
