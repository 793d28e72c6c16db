package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// SocketScheme starts the address of a Unix socket; an absolute path follows it.
const SocketScheme = "unix:"

// zoneMark stands between an address and the zone in which that replica runs.
const zoneMark = "@"

// Services tell where Gatehouse is reached: for each of its services the addresses of its replicas, "unix:/path", "IP:port" or
// "IP:port@zone". An Envoy asks the nearest first: those of its own host, then those of its own zone. An empty list is an outage of that service, not an error. They are in files beside the bootstrap, which Envoy
// watches, so that Gatehouse may move without a restart of any Envoy.
type Services struct {
	XDS       []string
	Authz     []string
	RateLimit []string
	AccessLog []string
}

// addresses returns the addresses of one of the clusters to Gatehouse.
func (s Services) addresses(cluster string) []string {
	switch cluster {
	case ClusterXDS:
		return s.XDS
	case ClusterAuthz:
		return s.Authz
	case ClusterRateLimit:
		return s.RateLimit
	default:
		return s.AccessLog
	}
}

// endpointsOf returns the content of the file with one cluster's endpoints for an Envoy in a zone: a discovery response with one
// resource. Who is nearer has the higher priority, and others are asked only where it does not answer.
func endpointsOf(cluster, zone string, addresses []string) (*discoveryv3.DiscoveryResponse, error) {
	var (
		byDistance [farthest + 1][]*endpointv3.LbEndpoint
		faults     []error
	)
	for _, text := range addresses {
		address, err := Address(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("endpoint of %s: %w", cluster, err))
			continue
		}
		d := distance(text, zone)
		byDistance[d] = append(byDistance[d], &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: cluster}
	for _, endpoints := range byDistance {
		if len(endpoints) > 0 { // Priorities are without gaps.
			assignment.Endpoints = append(assignment.Endpoints, &endpointv3.LocalityLbEndpoints{
				LbEndpoints: endpoints, Priority: uint32(len(assignment.Endpoints)), //nolint:gosec // One of three.
			})
		}
	}
	resource, err := anypb.New(assignment)
	if err != nil {
		return nil, fmt.Errorf("pack the endpoints of %s: %w", cluster, err)
	}
	return &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}}, nil
}

// farthest is the distance of a replica in another zone, or where none is known.
const farthest = 2

// distance says how near an address is to an Envoy in a zone: 0 on its host, 1 in its zone.
func distance(address, zone string) int {
	if strings.HasPrefix(address, SocketScheme) {
		return 0
	}
	if _, of := splitZone(address); zone != "" && of == zone {
		return 1
	}
	return farthest
}

// splitZone takes the zone off an address. A socket has none: it is on this host.
func splitZone(address string) (plain, zone string) {
	if strings.HasPrefix(address, SocketScheme) {
		return address, ""
	}
	plain, zone, _ = strings.Cut(address, zoneMark)
	return plain, zone
}

// Zoned returns an address of a replica in a zone, which may be empty.
func Zoned(address, zone string) string {
	if zone == "" {
		return address
	}
	return address + zoneMark + zone
}

// Address returns the Envoy form of "unix:/path", "IP:port" or "IP:port@zone". A name is refused, because Envoy asks no DNS for a cluster
// whose endpoints come from a file; so is a socket path of more than SocketPathMax bytes.
func Address(text string) (*corev3.Address, error) {
	if path, ok := strings.CutPrefix(text, SocketScheme); ok {
		if err := checkSocketPath(path); err != nil {
			return nil, err
		}
		return pipe(path, 0), nil
	}
	plain, zone := splitZone(text)
	address, err := netip.ParseAddrPort(plain)
	if err != nil || address.Port() == 0 {
		return nil, fmt.Errorf("address %q must be unix:/absolute/path, IP:port or IP:port@zone", text)
	}
	if err := checkZone(zone); err != nil {
		return nil, fmt.Errorf("address %q: %w", text, err)
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       address.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(address.Port())},
	}}}, nil
}

// pipe returns the address of a Unix socket; mode is set on a socket that Envoy itself listens on, 0 leaves it.
func pipe(path string, mode uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path, Mode: mode}}}
}
