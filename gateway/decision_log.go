package gateway

// DecisionLog says what is recorded of the decisions about one Gateway's requests.
type DecisionLog struct {
	Mask   string  `json:",omitempty"` // Name of the Policy whose answer says what is taken out of each record, as with OPA.
	Drop   string  `json:",omitempty"` // Name of the Policy that says which decisions are not recorded.
	Input  bool    `json:",omitempty"` // Records hold the policies' input.
	Sample float64 `json:",omitempty"` // Percent of the requests that Envoys let through by themselves that are recorded.
}

// checkDecisionLogs finds names of policies that are none. Said by several Gateways of one fleet, the first by name counts, so that
// is a fault too.
func (a *assembler) checkDecisionLogs(gateways []*Gateway) {
	said := map[string]*Gateway{}
	for _, g := range gateways {
		if g.Decisions == nil {
			continue
		}
		object := Ref{Kind: KindGateway, Name: g.Name}
		if other := said[g.Fleet]; other != nil {
			a.fault(CodeConflict, object, g.Origin, "decisions",
				"the Gateway %s of the same fleet says already what is recorded: say it in one of them", other.Name)
		}
		said[g.Fleet] = g
		a.logPolicy(g, "decisions.mask", g.Decisions.Mask)
		a.logPolicy(g, "decisions.drop", g.Decisions.Drop)
	}
}

func (a *assembler) logPolicy(g *Gateway, field, name string) {
	p, ok := a.names.policies[name]
	object := Ref{Kind: KindGateway, Name: g.Name}
	switch {
	case name == "", !ok && a.docs.Broken[Ref{Kind: KindPolicy, Name: name}]:
	case !ok:
		a.fault(CodeDangling, object, g.Origin, field, "there is no Policy named %q: %s", name, remedy(name, sortedNames(a.names.policies)))
	case p.Team != "":
		a.fault(CodePlatform, object, g.Origin, field,
			"the Policy %s belongs to team %s, which could hide what others may have to know: name one without a team", name, p.Team)
	}
}
