// Package render writes a fleet's configuration as one static bootstrap, for people, for `envoy --mode validate`, and for an
// Envoy that is to serve without a control plane.
//
// In: translate.Resources and where Gatehouse's services are reached. Out: a bootstrap that runs with `envoy -c` as it is:
// what comes over delta ADS otherwise stands inline.
package render

import (
	"fmt"
	"slices"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// Static returns the bootstrap of an Envoy of the fleet that needs no xDS. Hops still go to Gatehouse, at the addresses in
// services. settings gives what a bootstrap says about the node itself.
func Static(res *translate.Resources, settings envoy.Settings, services envoy.Services) (*bootstrapv3.Bootstrap, error) {
	bootstrap, err := envoy.Bootstrap(settings)
	if err != nil {
		return nil, fmt.Errorf("render fleet %s: %w", res.Fleet, err)
	}
	bootstrap.DynamicResources = nil
	bootstrap.Admin = nil
	static := bootstrap.StaticResources
	static.Clusters = slices.DeleteFunc(static.Clusters, func(c *clusterv3.Cluster) bool { return c.Name == envoy.ClusterXDS })
	addresses := map[string][]string{
		envoy.ClusterAuthz: services.Authz, envoy.ClusterRateLimit: services.RateLimit, envoy.ClusterAccessLog: services.AccessLog,
	}
	for _, c := range static.Clusters {
		if err := fix(c, addresses[c.Name]); err != nil {
			return nil, fmt.Errorf("render cluster %s: %w", c.Name, err)
		}
	}
	for i, c := range res.Clusters {
		c = proto.CloneOf(c)
		inline(c, res.Endpoints[i])
		if err := inlineSocket(c.GetTransportSocket(), &tlsv3.UpstreamTlsContext{}, res); err != nil {
			return nil, fmt.Errorf("render cluster %s: %w", c.Name, err)
		}
		static.Clusters = append(static.Clusters, c)
	}
	for _, l := range res.Listeners {
		l, err := staticListener(l, res)
		if err != nil {
			return nil, fmt.Errorf("render listener %s: %w", l.GetName(), err)
		}
		static.Listeners = append(static.Listeners, l)
	}
	return bootstrap, nil
}

// fix gives a cluster to Gatehouse its endpoints in place of a watched file.
func fix(c *clusterv3.Cluster, addresses []string) error {
	group := &endpointv3.LocalityLbEndpoints{}
	for _, text := range addresses {
		address, err := envoy.Address(text)
		if err != nil {
			return err
		}
		group.LbEndpoints = append(group.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		})
	}
	inline(c, &endpointv3.ClusterLoadAssignment{ClusterName: c.Name, Endpoints: []*endpointv3.LocalityLbEndpoints{group}})
	return nil
}

func inline(c *clusterv3.Cluster, endpoints *endpointv3.ClusterLoadAssignment) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.EdsClusterConfig = nil
	c.LoadAssignment = endpoints
}

// staticListener returns a listener whose routes and filters stand inline.
func staticListener(l *listenerv3.Listener, res *translate.Resources) (*listenerv3.Listener, error) {
	l = proto.CloneOf(l)
	for _, chain := range l.FilterChains {
		if err := inlineSocket(chain.GetTransportSocket(), &tlsv3.DownstreamTlsContext{}, res); err != nil {
			return l, err
		}
		for _, f := range chain.Filters {
			if f.GetConfigDiscovery() != nil {
				config, err := extension(f.Name, res)
				if err != nil {
					return l, err
				}
				f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: config}
			}
			manager := &hcmv3.HttpConnectionManager{}
			if !f.GetTypedConfig().MessageIs(manager) {
				continue
			}
			if err := f.GetTypedConfig().UnmarshalTo(manager); err != nil {
				return l, fmt.Errorf("read the connection manager: %w", err)
			}
			manager.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes(manager.GetRds().GetRouteConfigName(), res)}
			for _, filter := range manager.HttpFilters {
				if filter.GetConfigDiscovery() != nil {
					if err := inlineFilter(filter, res); err != nil {
						return l, err
					}
				}
			}
			if err := f.GetTypedConfig().MarshalFrom(manager); err != nil {
				return l, fmt.Errorf("write the connection manager: %w", err)
			}
		}
	}
	return l, nil
}

// inlineSocket makes a TLS socket, of a listener or of a cluster as its empty context says, read certificates and authorities from
// the files that the documents name.
func inlineSocket(socket *corev3.TransportSocket, context secured, res *translate.Resources) error {
	if socket == nil {
		return nil
	}
	if err := socket.GetTypedConfig().UnmarshalTo(context); err != nil {
		return fmt.Errorf("read the TLS socket: %w", err)
	}
	if err := inlineSecrets(context.GetCommonTlsContext(), res); err != nil {
		return err
	}
	if err := socket.GetTypedConfig().MarshalFrom(context); err != nil {
		return fmt.Errorf("write the TLS socket: %w", err)
	}
	return nil
}

// secured is the context of a TLS socket.
type secured interface {
	proto.Message
	GetCommonTlsContext() *tlsv3.CommonTlsContext
}

// inlineSecrets puts certificates and authorities in place of the names by which they are delivered.
func inlineSecrets(common *tlsv3.CommonTlsContext, res *translate.Resources) error {
	for _, wanted := range common.GetTlsCertificateSdsSecretConfigs() {
		i := slices.IndexFunc(res.Certificates, func(c translate.Certificate) bool { return c.Name == wanted.GetName() })
		if i < 0 {
			return fmt.Errorf("the certificate %s is not there", wanted.GetName())
		}
		common.TlsCertificates = append(common.TlsCertificates, res.Certificates[i].FileSecret().GetTlsCertificate())
	}
	common.TlsCertificateSdsSecretConfigs = nil
	authorities := func(name string) (*tlsv3.CertificateValidationContext, error) {
		i := slices.IndexFunc(res.Authorities, func(a translate.Authorities) bool { return a.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the authorities %s are not there", name)
		}
		return res.Authorities[i].FileSecret().GetValidationContext(), nil
	}
	if wanted := common.GetValidationContextSdsSecretConfig(); wanted != nil {
		trusted, err := authorities(wanted.GetName())
		if err != nil {
			return err
		}
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: trusted}
	}
	if both := common.GetCombinedValidationContext(); both != nil {
		trusted, err := authorities(both.GetValidationContextSdsSecretConfig().GetName())
		if err != nil {
			return err
		}
		trusted.MatchTypedSubjectAltNames = both.GetDefaultValidationContext().GetMatchTypedSubjectAltNames()
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: trusted}
	}
	return nil
}

func inlineFilter(filter *hcmv3.HttpFilter, res *translate.Resources) error {
	config, err := extension(filter.Name, res)
	if err == nil {
		filter.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}
	}
	return err
}

// extension returns the configuration of a filter that comes by ECDS otherwise.
func extension(name string, res *translate.Resources) (*anypb.Any, error) {
	for _, e := range res.Extensions() {
		if e.Name == name {
			return e.TypedConfig, nil
		}
	}
	return nil, fmt.Errorf("the filter %s has no configuration", name)
}

// routes returns a route configuration with its virtual hosts inside.
func routes(name string, res *translate.Resources) *routev3.RouteConfiguration {
	for _, rc := range res.Routes {
		if rc.Name != name {
			continue
		}
		rc = proto.CloneOf(rc)
		rc.Vhds = nil
		for _, vh := range res.VirtualHosts {
			if strings.HasPrefix(vh.Name, name+"/") {
				rc.VirtualHosts = append(rc.VirtualHosts, vh)
			}
		}
		return rc
	}
	return nil
}
