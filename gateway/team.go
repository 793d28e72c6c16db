package gateway

import (
	"fmt"
	"slices"
)

// owned is what tells to whom an object belongs.
type owned struct {
	ref    Ref
	team   *string
	origin Origin
	// why says why the object belongs to the platform; empty: a team may have it.
	why string
}

// owned returns all objects of the documents, in the order of their kinds.
func (d *Documents) owned() []owned {
	const (
		decides = "says where a fleet listens and whom it trusts"
		keys    = "names private keys"
		callers = "says whose tokens are believed"
		sockets = "leads to a socket of the Envoy's host"
		locked  = "is locked"
		secrets = "names a secret or a file of the daemon's host"
	)
	var all []owned
	for _, g := range d.Gateways {
		all = append(all, owned{Ref{Kind: KindGateway, Name: g.Name}, &g.Team, g.Origin, decides})
	}
	for _, c := range d.Certificates {
		all = append(all, owned{Ref{Kind: KindCertificate, Name: c.Name}, &c.Team, c.Origin, keys})
	}
	for _, b := range d.Bundles {
		o := owned{ref: Ref{Kind: KindBundle, Name: b.Name}, team: &b.Team, origin: b.Origin}
		if b.Token != "" || b.Path != "" {
			o.why = secrets
		}
		all = append(all, o)
	}
	for _, i := range d.Issuers {
		all = append(all, owned{Ref{Kind: KindIssuer, Name: i.Name}, &i.Team, i.Origin, callers})
	}
	for _, p := range d.Policies {
		o := owned{ref: Ref{Kind: KindPolicy, Name: p.Name}, team: &p.Team, origin: p.Origin}
		if p.Locked {
			o.why = locked
		}
		all = append(all, o)
	}
	for _, l := range d.Limits {
		all = append(all, owned{ref: Ref{Kind: KindLimit, Name: l.Name}, team: &l.Team, origin: l.Origin})
	}
	for _, u := range d.Upstreams {
		o := owned{ref: Ref{Kind: KindUpstream, Name: u.Name}, team: &u.Team, origin: u.Origin}
		if slices.ContainsFunc(u.Endpoints, Endpoint.OnHost) {
			o.why = sockets
		}
		all = append(all, o)
	}
	for _, api := range d.APIs {
		all = append(all, owned{ref: api.Ref(), team: &api.Team, origin: api.Origin})
	}
	return all
}

// Claim gives the documents of one source to the team to which the source is bound: those that name no team get it. The
// faults are about those that name another team, and about what belongs to the platform; documents with such faults are not
// to be used. An empty team is the platform, which may write everything.
func Claim(docs *Documents, team string) Faults {
	if team == "" {
		return nil
	}
	var faults Faults
	for _, o := range docs.owned() {
		switch {
		case o.why != "":
			faults = append(faults, Fault{
				Code: CodePlatform, Place: o.origin.At("kind"), Field: "kind", Object: o.ref, Team: team,
				Message: fmt.Sprintf("%s %s, and so belongs to the platform, not to team %s: have the platform apply it", o.ref, o.why, team),
			})
		case *o.team != "" && *o.team != team:
			faults = append(faults, Fault{
				Code: CodeForeignTeam, Place: o.origin.At("team"), Field: "team", Object: o.ref, Team: team,
				Message: fmt.Sprintf("%s names team %s, and what team %s applies belongs to that: remove team", o.ref, *o.team, team),
			})
		default:
			*o.team = team
		}
	}
	for _, api := range docs.APIs {
		api.Claimed = true
	}
	return faults.Sort()
}

// CheckChanges returns the faults of changes that a team proposes: it may change and delete only what is its own before and
// after, and nothing that belongs to the platform. before and after are the whole configurations between which the changes
// lie. An empty team is the platform, which may change everything.
func CheckChanges(changes []Change, before, after *Documents, team string) Faults {
	if team == "" {
		return nil
	}
	var faults Faults
	sides := []map[Ref]owned{before.byRef(), after.byRef()}
	for _, c := range changes {
		for _, side := range sides {
			o, ok := side[c.Object]
			switch {
			case !ok:
				continue
			case o.why != "":
				faults = append(faults, Fault{
					Code: CodePlatform, Place: c.Place, Object: c.Object, Team: team,
					Message: fmt.Sprintf("%s %s, and so belongs to the platform: team %s cannot have it %s", c.Object, o.why, team, c.Kind),
				})
			case *o.team != team:
				faults = append(faults, Fault{
					Code: CodeForeignTeam, Place: c.Place, Object: c.Object, Team: team,
					Message: fmt.Sprintf("%s belongs to %s: team %s cannot have it %s", c.Object, ownerName(*o.team), team, c.Kind),
				})
			default:
				continue
			}
			break
		}
	}
	return faults.Sort()
}

func (d *Documents) byRef() map[Ref]owned {
	all := map[Ref]owned{}
	if d != nil {
		for _, o := range d.owned() {
			all[o.ref] = o
		}
	}
	return all
}

func ownerName(team string) string {
	if team == "" {
		return "the platform"
	}
	return "team " + team
}

// checkShared reports a reference of an API to what another team has and does not share.
func (a *assembler) checkShared(api *API, target Ref, team string, shared bool, field string) {
	if team == "" || shared || api.Team == "" || api.Team == team {
		return
	}
	a.apiFault(api, CodeNotShared, field, "%s belongs to team %s, which does not share it with team %s: have it say shared: true, or name another",
		target, team, api.Team)
}
