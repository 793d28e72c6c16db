package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/render"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// bareEnvoy starts the floor: an Envoy with the same listener, of whose filters only the router is left, and one route to the
// same backends. The access log, the removal of headers and every bound of a connection stay; the log goes to an empty receiver,
// which is a process of its own. Both processes are returned.
func (k *bank) bareEnvoy(ctx context.Context) (pids []int, port int, err error) {
	if port, err = freePort(ctx); err != nil {
		return nil, 0, err
	}
	dir, err := k.bench.subdir("receiver")
	if err != nil {
		return nil, 0, err
	}
	receiver, err := k.spawn(ctx, "empty", dir)
	if err != nil {
		return nil, 0, err
	}
	checked, faults := server.Check(k.dir, os.LookupEnv)
	if len(faults) > 0 {
		return nil, 0, faults
	}
	res, err := bare(checked.Fleets["edge"], port)
	if err != nil {
		return nil, 0, fmt.Errorf("make a bare Envoy: %w", err)
	}
	settings := envoy.Settings{Fleet: "edge", Node: "bare", Dir: filepath.Join(k.bench.dir, "bare")}
	if err := writeStatic(res, settings, receiver.hello.Addresses["accesslog"]); err != nil {
		return nil, 0, err
	}
	e, err := k.launch(ctx, settings)
	if err != nil {
		return nil, 0, err
	}
	return []int{e.PID(), receiver.pid}, port, nil
}

// bare returns what is left of a fleet's resources when everything by which Gatehouse guards a request is taken away.
func bare(res *translate.Resources, port int) (*translate.Resources, error) {
	if res == nil || len(res.Listeners) != 1 || len(res.Clusters) != 1 {
		return nil, errors.New("the quickstart has other listeners or clusters than it had")
	}
	out := *res
	l := proto.CloneOf(res.Listeners[0])
	l.GetAddress().GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(port)} //nolint:gosec // A port.
	if err := leaveRouter(l); err != nil {
		return nil, err
	}
	out.Listeners = []*listenerv3.Listener{l}
	out.VirtualHosts = []*routev3.VirtualHost{{
		Name: l.Name + "/*", Domains: []string{"*"},
		Routes: []*routev3.Route{{
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{
				ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: res.Clusters[0].Name},
			}},
		}},
	}}
	return &out, nil
}

// leaveRouter takes every filter but the router out of a listener.
func leaveRouter(l *listenerv3.Listener) error {
	config := l.GetFilterChains()[0].GetFilters()[0].GetTypedConfig()
	manager := &hcmv3.HttpConnectionManager{}
	if err := config.UnmarshalTo(manager); err != nil {
		return fmt.Errorf("read the connection manager: %w", err)
	}
	manager.HttpFilters = slices.DeleteFunc(manager.HttpFilters, func(f *hcmv3.HttpFilter) bool { return f.Name != envoy.FilterRouter })
	return config.MarshalFrom(manager)
}

// writeStatic writes the bootstrap of an Envoy that needs no control plane.
func writeStatic(res *translate.Resources, settings envoy.Settings, accessLog string) error {
	// Static leaves the admin interface out, by which the child is watched.
	withAdmin, err := envoy.Bootstrap(settings)
	if err != nil {
		return err
	}
	bootstrap, err := render.Static(res, settings, envoy.Services{AccessLog: []string{accessLog}})
	if err != nil {
		return err
	}
	bootstrap.Admin = withAdmin.Admin
	text, err := envoy.RenderYAML(bootstrap)
	if err != nil {
		return err
	}
	return writeFile(settings.BootstrapFile(), string(text))
}
