package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
)

// pushes count how changes of endpoints ended.
type pushes struct{ done, refused atomic.Uint64 }

// Endpoints returns the endpoints of every Upstream.
func (m management) Endpoints() []admin.EndpointSet {
	states := m.observed.States()
	out := make([]admin.EndpointSet, len(states))
	for i, s := range states {
		out[i] = m.toldOf(endpointSet(s))
	}
	return out
}

// ChangeEndpoints changes the endpoints of one Upstream.
func (m management) ChangeEndpoints(ctx context.Context, upstream string, c admin.EndpointChange) (admin.EndpointSet, error) {
	if was, err := m.observed.State(upstream); err == nil {
		set := m.toldOf(endpointSet(was))
		if asked, err := m.forceElsewhere(ctx, set, c); asked {
			return set, err
		}
	}
	if err := ownPush(admin.CallerOf(ctx), c); err != nil {
		m.pushes.refused.Add(1)
		return admin.EndpointSet{}, err
	}
	now, err := m.observed.Push(ctx, upstream, observed.Change{
		All: c.All, Replace: modelEndpoints(c.Set), Add: modelEndpoints(c.Add), Remove: c.Remove, Version: c.Version, Force: c.Force, Author: c.Author,
	})
	if err == nil {
		m.pushes.done.Add(1)
		return endpointSet(now), nil
	}
	m.pushes.refused.Add(1)
	for cause, reason := range map[error]error{
		observed.ErrUnknown: admin.ErrUnknown, observed.ErrConflict: admin.ErrConflict, observed.ErrStore: admin.ErrUnable,
		observed.ErrEmpty: admin.ErrRefused, observed.ErrInvalid: admin.ErrRefused, observed.ErrSource: admin.ErrRefused,
	} {
		if errors.Is(err, cause) {
			return admin.EndpointSet{}, fmt.Errorf("%w: %w", reason, err)
		}
	}
	return admin.EndpointSet{}, err
}

func endpointSet(s observed.State) admin.EndpointSet {
	out := admin.EndpointSet{
		Upstream: s.Upstream, Source: string(s.Source), Endpoints: make([]admin.Endpoint, len(s.Endpoints)), Version: s.Version,
		Since: s.Since, Author: s.Author, Held: s.Held, Failure: s.Failure,
	}
	for i, e := range s.Endpoints {
		out.Endpoints[i] = admin.Endpoint(e)
	}
	return out
}

func modelEndpoints(list []admin.Endpoint) []gateway.Endpoint {
	out := make([]gateway.Endpoint, len(list))
	for i, e := range list {
		out[i] = gateway.Endpoint(e)
	}
	return out
}

// ownPush refuses a push of a team to a socket of the Envoy's host: there stand the doors of Gatehouse and of Envoy itself, which
// believe whoever may open them.
func ownPush(caller admin.Caller, c admin.EndpointChange) error {
	if caller.Role != admin.Member {
		return nil
	}
	for _, e := range slices.Concat(c.Set, c.Add) {
		if gateway.Endpoint(e).OnHost() {
			return fmt.Errorf("%w: the endpoint %q is a socket of the Envoy's host, and so the platform's: push addresses of the network", admin.ErrRefused, e.Address)
		}
	}
	return nil
}

// owner returns the team that an Upstream in use belongs to; "" for the platform's, and for one that is not there.
func (s *Server) owner(upstream string) string {
	now := s.live.Load()
	if now.compiled == nil {
		return ""
	}
	for _, u := range now.revision.Upstreams {
		if u.Name == upstream {
			return u.Team
		}
	}
	return ""
}
