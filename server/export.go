package server

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/xds/render"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// Export returns what a fleet's Envoys have as one static bootstrap.
func (m management) Export(fleet string, keys bool, format admin.Format) ([]byte, error) {
	res, err := m.finished(fleet)
	if err != nil {
		return nil, err
	}
	state, err := filepath.Abs(m.options.State)
	if err != nil {
		return nil, fmt.Errorf("find the state directory: %w", err)
	}
	bootstrap, err := render.Static(res, envoy.Settings{Fleet: fleet, Node: fleet, Dir: filepath.Join(state, fleet)}, m.services())
	if err != nil {
		return nil, err
	}
	if keys {
		if err := render.InlineKeys(bootstrap, os.ReadFile); err != nil {
			return nil, err
		}
	}
	if format == admin.JSON {
		return envoy.RenderJSON(bootstrap)
	}
	return envoy.RenderYAML(bootstrap)
}

// finished returns what the last finished rollout gave to a fleet.
func (m management) finished(fleet string) (*translate.Resources, error) {
	now := m.live.Load()
	if now.compiled == nil {
		return nil, admin.ErrNoRevision
	}
	res, ok := now.xds.Fleets[fleet]
	if base := m.entries.get(fleets(m).base(fleet).Entry); base != nil && base.xds.Fleets[fleet] != nil {
		res, ok = base.xds.Fleets[fleet], true
	}
	if !ok {
		return nil, fmt.Errorf("%w: %q; there is %s", admin.ErrNoFleet, fleet, strings.Join(slices.Sorted(maps.Keys(now.xds.Fleets)), ", "))
	}
	return res, nil
}

// services returns where this server is reached, by absolute paths.
func (s *Server) services() envoy.Services {
	one := func(address string) []string {
		if path, ok := strings.CutPrefix(address, envoy.SocketScheme); ok {
			if absolute, err := filepath.Abs(path); err == nil { // What is left relative is refused by Envoy's side.
				address = envoy.SocketScheme + absolute
			}
		}
		return []string{address}
	}
	return envoy.Services{
		XDS: one(s.addrs.XDS), Authz: one(s.addrs.Authz), RateLimit: one(s.addrs.RateLimit), AccessLog: one(s.addrs.AccessLog),
	}
}
