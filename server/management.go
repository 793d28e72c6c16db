package server

import (
	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// management answers what the management API asks, in its words.
type management struct{ *Server }

// Revision returns what is in use, and what the last load found wrong.
func (m management) Revision() admin.Revision {
	now := m.live.Load()
	out := admin.Revision{
		Entry: now.entry, Since: now.since, Substitutions: append([]gateway.Substitution{}, now.substitutions...),
		Faults: append(append(gateway.Faults{}, now.faults...), m.observed.Faults()...).Sort(),
	}
	if now.compiled != nil {
		out.ID = now.revision.ID
		out.Faults = append(out.Faults, now.kept...)
	}
	return out
}

// Explain answers by the revision in use.
func (m management) Explain(q admin.Query) (admin.Answer, error) {
	now := m.live.Load()
	if now.compiled == nil {
		return admin.Answer{}, admin.ErrNoRevision
	}
	answer, err := Explain(now.revision, q)
	for i, u := range answer.Upstreams {
		if known, err := m.observed.State(u.Name); err == nil && known.Source != observed.List {
			answer.Upstreams[i].Endpoints = []string{}
			for _, e := range known.Endpoints {
				answer.Upstreams[i].Endpoints = append(answer.Upstreams[i].Endpoints, e.Address)
			}
		}
	}
	return answer, err
}

// Explain tells which way a request takes by a revision, in the words of the management API. The error is about the query.
func Explain(rev *gateway.Revision, q admin.Query) (admin.Answer, error) {
	a, err := explain.Request(rev, explain.Query(q))
	if err != nil {
		return admin.Answer{}, err
	}
	out := admin.Answer{
		Fleet: a.Fleet, Gateway: a.Gateway, Listener: a.Listener, VirtualHost: a.VirtualHost, Route: a.Route, Origin: a.Origin,
		Path: a.Path, Host: a.Host, Location: a.Location, Mirrors: a.Mirrors, Split: a.Split, Body: a.Body, Pages: a.Pages,
		Action: a.Action, Filters: a.Filters, Hops: a.Hops, Policies: a.Policies, Limits: a.Limits, Rules: a.Rules, Why: a.Why,
	}
	for _, u := range a.Upstreams {
		out.Upstreams = append(out.Upstreams, admin.Upstream(u))
	}
	for _, r := range a.Rejected {
		out.Rejected = append(out.Rejected, admin.Rejected(r))
	}
	return out, nil
}
