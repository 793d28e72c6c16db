package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/render"
)

// watching is an Envoy that watches a file with its route configuration.
type watching struct {
	port  int
	pid   int
	file  string
	forms [2]string
}

// write puts one of the two forms in place.
func (w *watching) write(form int) error { return moveInto(w.file, w.forms[form]) }

// watchingEnvoy starts one with what the documents say now; its two forms are the first two of the changed API.
func (k *bank) watchingEnvoy(ctx context.Context, name string) (*watching, error) {
	dir, err := k.bench.subdir(name)
	if err != nil {
		return nil, err
	}
	w := &watching{file: filepath.Join(dir, "routes.json")}
	if w.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	receiver, err := k.spawn(ctx, "empty", dir)
	if err != nil {
		return nil, err
	}
	settings := envoy.Settings{Fleet: fleetEdge, Node: name, Dir: dir}
	var bootstrap *bootstrapv3.Bootstrap
	for form := range w.forms {
		if err := k.writeChange(form); err != nil {
			return nil, err
		}
		if bootstrap, w.forms[form], err = k.withRoutesIn(w, settings, receiver.hello.Addresses); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.write(1), k.writeChange(-1)); err != nil {
		return nil, err
	}
	text, err := envoy.RenderYAML(bootstrap)
	if err != nil {
		return nil, err
	}
	if err := writeFile(settings.BootstrapFile(), string(text)); err != nil {
		return nil, err
	}
	e, err := k.launch(ctx, settings)
	if err != nil {
		return nil, err
	}
	w.pid = e.PID()
	return w, nil
}

// withRoutesIn returns the static bootstrap of the documents as they are, with the route configuration in a file of its own,
// and that file's text.
func (k *bank) withRoutesIn(w *watching, settings envoy.Settings, services map[string]string) (*bootstrapv3.Bootstrap, string, error) {
	checked, faults := server.Check(k.dir, os.LookupEnv)
	if len(faults) > 0 {
		return nil, "", faults
	}
	withAdmin, err := envoy.Bootstrap(settings)
	if err != nil {
		return nil, "", err
	}
	bootstrap, err := render.Static(checked.Fleets[fleetEdge], settings, envoy.Services{
		Authz: []string{services["authz"]}, RateLimit: []string{services["ratelimit"]}, AccessLog: []string{services["accesslog"]},
	})
	if err != nil {
		return nil, "", err
	}
	bootstrap.Admin = withAdmin.Admin
	l := bootstrap.StaticResources.Listeners[0]
	l.GetAddress().GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(w.port)} //nolint:gosec // A port.
	config := l.GetFilterChains()[0].GetFilters()[0].GetTypedConfig()
	manager := &hcmv3.HttpConnectionManager{}
	if err := config.UnmarshalTo(manager); err != nil {
		return nil, "", fmt.Errorf("read the connection manager: %w", err)
	}
	routes := manager.GetRouteConfig()
	packed, err := anypb.New(routes)
	if err != nil {
		return nil, "", fmt.Errorf("write the routes: %w", err)
	}
	text, err := protojson.Marshal(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{packed}})
	if err != nil {
		return nil, "", fmt.Errorf("write the routes: %w", err)
	}
	manager.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
		RouteConfigName: routes.GetName(),
		ConfigSource: &corev3.ConfigSource{
			ResourceApiVersion: corev3.ApiVersion_V3,
			ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
				Path: w.file, WatchedDirectory: &corev3.WatchedDirectory{Path: filepath.Dir(w.file)},
			}},
		},
	}}
	return bootstrap, string(text), config.MarshalFrom(manager)
}

// moveInto puts a file in another's place at once.
func moveInto(path, text string) error {
	fresh := filepath.Join(filepath.Dir(path), ".fresh")
	if err := writeFile(fresh, text); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
