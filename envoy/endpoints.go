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

// Services tell where Gatehouse is reached: for each of its services the addresses of its replicas, "unix:/path" or
// "IP:port". An empty list is an outage of that service, not an error. They are in files beside the bootstrap, which Envoy
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

// endpointsOf returns the content of the file with one cluster's endpoints: a discovery response with one resource.
func endpointsOf(cluster string, addresses []string) (*discoveryv3.DiscoveryResponse, error) {
	var (
		endpoints []*endpointv3.LbEndpoint
		faults    []error
	)
	for _, text := range addresses {
		address, err := Address(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("endpoint of %s: %w", cluster, err))
			continue
		}
		endpoints = append(endpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: cluster}
	if len(endpoints) > 0 {
		assignment.Endpoints = []*endpointv3.LocalityLbEndpoints{{LbEndpoints: endpoints}}
	}
	resource, err := anypb.New(assignment)
	if err != nil {
		return nil, fmt.Errorf("pack the endpoints of %s: %w", cluster, err)
	}
	return &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}}, nil
}

// Address returns the Envoy form of "unix:/path" or "IP:port". A name is refused, because Envoy asks no DNS for a cluster
// whose endpoints come from a file; so is a socket path of more than SocketPathMax bytes.
func Address(text string) (*corev3.Address, error) {
	if path, ok := strings.CutPrefix(text, SocketScheme); ok {
		if err := checkSocketPath(path); err != nil {
			return nil, err
		}
		return pipe(path, 0), nil
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || address.Port() == 0 {
		return nil, fmt.Errorf("address %q must be unix:/absolute/path or IP:port", text)
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
