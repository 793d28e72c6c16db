package envoy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Running is one resource that an Envoy got from Gatehouse and runs, by its own word.
type Running struct {
	Type string // Type URL.
	Name string
	// Version is what the Envoy says it has; empty for listeners, route configurations, virtual hosts and endpoints, of which it
	// says none or that of something else.
	Version string
	// Message is the resource itself where Version is empty, a route configuration without its virtual hosts.
	Message proto.Message
	// Trouble is what the Envoy says against a newer version of it, or that it is not warm yet; empty where all is well.
	Trouble string
}

// Running returns what an Envoy runs, of everything that comes over xDS, private keys apart. It needs an Envoy of the version
// whose types are built in, or an older one: the error tells of what cannot be read.
func (a *Admin) Running(ctx context.Context) ([]Running, error) {
	text, err := a.Get(ctx, "/config_dump?include_eds")
	if err != nil {
		return nil, err
	}
	dump := &adminv3.ConfigDump{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, dump); err != nil {
		return nil, fmt.Errorf("read the configuration dump: %w", err)
	}
	var all []Running
	for _, part := range dump.GetConfigs() {
		m, err := part.UnmarshalNew()
		if err != nil {
			return nil, fmt.Errorf("read the configuration dump: %w", err)
		}
		found, err := runningOf(m)
		if err != nil {
			return nil, fmt.Errorf("read the configuration dump: %w", err)
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b Running) int { return strings.Compare(a.Type+"\x00"+a.Name, b.Type+"\x00"+b.Name) })
	return all, nil
}

// runningOf reads one part of a dump.
func runningOf(part proto.Message) ([]Running, error) {
	switch part := part.(type) {
	case *adminv3.ClustersConfigDump:
		return runningClusters(part)
	case *adminv3.ListenersConfigDump:
		return runningListeners(part)
	case *adminv3.RoutesConfigDump:
		return runningRoutes(part)
	case *adminv3.EndpointsConfigDump:
		return runningEndpoints(part)
	case *adminv3.EcdsConfigDump:
		return runningExtensions(part)
	case *adminv3.SecretsConfigDump:
		return runningSecrets(part), nil
	}
	return nil, nil
}

const (
	typeCluster   = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	typeListener  = "type.googleapis.com/envoy.config.listener.v3.Listener"
	typeSecret    = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	typeExtension = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
	stillWarming  = "it is not warm yet"
)

// trouble returns what an Envoy said when it last refused an update.
func trouble(state *adminv3.UpdateFailureState) string {
	return strings.Join(strings.Fields(state.GetDetails()), " ")
}

// named is any resource that says its name.
type named interface {
	proto.Message
	GetName() string
}

// nameIn returns the name of a packed resource.
func nameIn(packed *anypb.Any) (string, error) {
	m, err := packed.UnmarshalNew()
	if err != nil {
		return "", err
	}
	if n, ok := m.(named); ok {
		return n.GetName(), nil
	}
	return "", fmt.Errorf("%s has no name", packed.GetTypeUrl())
}

func runningClusters(part *adminv3.ClustersConfigDump) ([]Running, error) {
	var all []Running
	add := func(list []*adminv3.ClustersConfigDump_DynamicCluster, warming bool) error {
		for _, c := range list {
			name, err := nameIn(c.GetCluster())
			if err != nil {
				return err
			}
			r := Running{Type: typeCluster, Name: name, Version: c.GetVersionInfo(), Trouble: trouble(c.GetErrorState())}
			if warming {
				r.Trouble = stillWarming
			}
			all = append(all, r)
		}
		return nil
	}
	if err := add(part.GetDynamicActiveClusters(), false); err != nil {
		return nil, err
	}
	return all, add(part.GetDynamicWarmingClusters(), true)
}

// runningListeners returns the listeners by what they are: where an Envoy changes one in place, it goes on to name the version
// that it had first.
func runningListeners(part *adminv3.ListenersConfigDump) ([]Running, error) {
	var all []Running
	for _, l := range part.GetDynamicListeners() {
		r := Running{Type: typeListener, Name: l.GetName(), Trouble: trouble(l.GetErrorState())}
		if active := l.GetActiveState().GetListener(); active != nil {
			m, err := active.UnmarshalNew()
			if err != nil {
				return nil, err
			}
			r.Message = m
		}
		if l.GetWarmingState() != nil {
			r.Trouble = stillWarming
		}
		all = append(all, r)
	}
	return all, nil
}

// runningRoutes returns the route configurations, and the virtual hosts that came to them by VHDS: an Envoy shows them as parts
// of the route configuration.
func runningRoutes(part *adminv3.RoutesConfigDump) ([]Running, error) {
	var all []Running
	for _, d := range part.GetDynamicRouteConfigs() {
		config := &routev3.RouteConfiguration{}
		if err := d.GetRouteConfig().UnmarshalTo(config); err != nil {
			return nil, err
		}
		for _, host := range config.GetVirtualHosts() {
			all = append(all, Running{Type: "type.googleapis.com/envoy.config.route.v3.VirtualHost", Name: host.GetName(), Message: host})
		}
		config.VirtualHosts = nil
		all = append(all, Running{
			Type: d.GetRouteConfig().GetTypeUrl(), Name: config.GetName(), Message: config, Trouble: trouble(d.GetErrorState()),
		})
	}
	return all, nil
}

func runningEndpoints(part *adminv3.EndpointsConfigDump) ([]Running, error) {
	var all []Running
	for _, d := range part.GetDynamicEndpointConfigs() {
		list := &endpointv3.ClusterLoadAssignment{}
		if err := d.GetEndpointConfig().UnmarshalTo(list); err != nil {
			return nil, err
		}
		all = append(all, Running{Type: d.GetEndpointConfig().GetTypeUrl(), Name: list.GetClusterName(), Message: list})
	}
	return all, nil
}

func runningExtensions(part *adminv3.EcdsConfigDump) ([]Running, error) {
	var all []Running
	for _, d := range part.GetEcdsFilters() {
		name, err := nameIn(d.GetEcdsFilter())
		if err != nil {
			return nil, err
		}
		all = append(all, Running{Type: typeExtension, Name: name, Version: d.GetVersionInfo(), Trouble: trouble(d.GetErrorState())})
	}
	return all, nil
}

// runningSecrets leaves out those by which the Envoy proves itself: they come from its own files, and nobody sent them.
func runningSecrets(part *adminv3.SecretsConfigDump) []Running {
	var all []Running
	for _, d := range part.GetDynamicActiveSecrets() {
		if d.GetName() == secretCertificate || d.GetName() == secretBundle {
			continue
		}
		all = append(all, Running{Type: typeSecret, Name: d.GetName(), Version: d.GetVersionInfo(), Trouble: trouble(d.GetErrorState())})
	}
	for _, d := range part.GetDynamicWarmingSecrets() {
		if d.GetName() == secretCertificate || d.GetName() == secretBundle {
			continue
		}
		all = append(all, Running{Type: typeSecret, Name: d.GetName(), Version: d.GetVersionInfo(), Trouble: stillWarming})
	}
	return all
}
