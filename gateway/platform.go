package gateway

import (
	"fmt"
	"slices"
)

// PlatformPolicies are Policies that a Gateway applies to every request that is forwarded through it, around those of the
// API. No API can take them away.
type PlatformPolicies struct {
	Before []Authorization `json:",omitempty"` // Asked before the API's.
	After  []Authorization `json:",omitempty"` // Asked after them.
}

func (p PlatformPolicies) all() []Authorization { return slices.Concat(p.Before, p.After) }

// around is PlatformPolicies with their names resolved.
type around struct{ before, after []AppliedPolicy }

// platform returns the policies that a Gateway applies around those of the APIs. Its faults are the Gateway's, found once.
func (a *assembler) platform(g *Gateway) around {
	if done, ok := a.around[g]; ok {
		return done
	}
	done := around{
		before: a.platformPolicies(g, g.Authorize.Before, "authorize.before"),
		after:  a.platformPolicies(g, g.Authorize.After, "authorize.after"),
	}
	a.around[g] = done
	return done
}

func (a *assembler) platformPolicies(g *Gateway, list []Authorization, field string) []AppliedPolicy {
	var applied []AppliedPolicy
	object := Ref{Kind: KindGateway, Name: g.Name}
	for i, z := range list {
		place := fmt.Sprintf("%s[%d].policy", field, i)
		p, ok := a.names.policies[z.Policy]
		switch {
		case !ok && a.docs.Broken[Ref{Kind: KindPolicy, Name: z.Policy}]:
		case !ok:
			a.fault(CodeDangling, object, g.Origin, place, "there is no Policy named %q: %s", z.Policy, remedy(z.Policy, sortedNames(a.names.policies)))
		case p.Team != "":
			a.fault(CodePlatform, object, g.Origin, place,
				"the Policy %s belongs to team %s, which could change what holds for every team: apply one without a team", z.Policy, p.Team)
		default:
			applied = append(applied, a.applied(p, z, true))
		}
	}
	return applied
}

// enclose puts the Gateway's policies around those of a route that forwards. Such a route fails closed: an API that fails
// open would take the Gateway's policies away while Gatehouse cannot be asked.
func (a *assembler) enclose(r *Route, g *Gateway) {
	p := a.platform(g)
	if r.Action != ActionForward || len(p.before)+len(p.after) == 0 {
		return
	}
	r.Authorize = slices.Concat(p.before, r.Authorize, p.after)
	r.WhenAway.Authorization = Closed
}

// notePlatform notes that what the API at hand becomes depends on the Gateway's policies too.
func (a *assembler) notePlatform(g *Gateway) {
	p := a.platform(g)
	for _, applied := range slices.Concat(p.before, p.after) {
		a.named = append(a.named, reference{kind: KindPolicy, name: applied.Policy.Name, object: applied.Policy})
	}
}
