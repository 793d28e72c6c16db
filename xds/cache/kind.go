package cache

import (
	"strings"

	"google.golang.org/protobuf/proto"
)

// Type URLs of the resources that a Snapshot may hold: typePrefix and the full name of Envoy's message.
const (
	TypeCluster            = typePrefix + "envoy.config.cluster.v3.Cluster"
	TypeEndpoints          = typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
	TypeSecret             = typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret"
	TypeExtension          = typePrefix + "envoy.config.core.v3.TypedExtensionConfig"
	TypeListener           = typePrefix + "envoy.config.listener.v3.Listener"
	TypeRouteConfiguration = typePrefix + "envoy.config.route.v3.RouteConfiguration"
	TypeVirtualHost        = typePrefix + "envoy.config.route.v3.VirtualHost"

	typePrefix = "type.googleapis.com/"
)

// ShortType returns the last word of a type URL, such as Cluster.
func ShortType(url string) string { return url[strings.LastIndexByte(url, '.')+1:] }

// kind is a resource type by its place in the order of delivery.
type kind int

// The order of delivery: what routes refer to comes before them, and a route configuration before its virtual hosts, which
// Envoy throws away otherwise.
const (
	clusters kind = iota
	endpoints
	secrets
	extensions
	listeners
	routeConfigs
	virtualHosts
	kinds // how many there are
)

// Types returns the type URLs that a Snapshot may hold, in the order in which they are delivered.
func Types() []string {
	urls := typeURLs()
	return urls[:]
}

// typeURLs returns the type URL of each kind.
func typeURLs() [kinds]string {
	return [kinds]string{
		clusters: TypeCluster, endpoints: TypeEndpoints, secrets: TypeSecret, extensions: TypeExtension,
		listeners: TypeListener, routeConfigs: TypeRouteConfiguration, virtualHosts: TypeVirtualHost,
	}
}

// url returns the type URL of a kind.
func (k kind) url() string { return typeURLs()[k] }

// kindOf returns the kind of a type URL, and whether it is one that is served here.
func kindOf(url string) (kind, bool) {
	for i, known := range typeURLs() {
		if known == url {
			return kind(i), true
		}
	}
	return 0, false
}

// kindOfMessage returns the kind of one of Envoy's messages.
func kindOfMessage(m proto.Message) (kind, bool) {
	return kindOf(typePrefix + string(m.ProtoReflect().Descriptor().FullName()))
}

// routing tells whether resources of this kind refer to the others: they are sent after those and taken away before them.
func (k kind) routing() bool { return k >= listeners }

// wildcard tells whether a first request without names asks for everything (xDS: only where the protocol defines it; Envoy
// uses it for CDS and LDS, and for VHDS, envoy-facts 1).
func (k kind) wildcard() bool { return k == clusters || k == listeners || k == virtualHosts }

// greeted tells whether a first wildcard request is answered even with nothing: Envoy's start waits for an answer to CDS
// and LDS (envoy-facts 12), while an empty answer to VHDS does not help it (envoy-facts 1).
func (k kind) greeted() bool { return k == clusters || k == listeners }

// routeConfigOf returns the route configuration to which a virtual host's resource name belongs: the part before the first
// slash (envoy-facts 1). Empty where there is none.
func routeConfigOf(virtualHost string) string {
	name, _, ok := strings.Cut(virtualHost, "/")
	if !ok {
		return ""
	}
	return name
}
