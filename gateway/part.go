package gateway

// part is what one API became: its routes, what each of them claims for itself, and the objects by which it became so. It is
// never changed, and revisions share it.
type part struct {
	routes  []*Route
	claims  [][]string // For each route.
	streams []*Stream
	named   []reference
}

// reference is an object that an API names, as it was found.
type reference struct {
	kind   Kind
	name   string
	object any
}

// part returns what an API becomes. An API that is the same value as the time before, and finds the same objects under the
// names it refers to, becomes the same: that is where most of a reload's time goes otherwise.
func (a *assembler) part(api *API) *part {
	if p, ok := a.before[api]; ok && a.finds(p.named) {
		a.parts[api] = p
		return p
	}
	faults := len(a.faults)
	a.named = nil
	p := &part{}
	if api.Speaks.Streams() {
		p.streams = a.streams(api)
	} else {
		p.routes = a.routes(api)
	}
	p.named = a.named
	p.claims = make([][]string, len(p.routes))
	for i, r := range p.routes {
		p.claims[i] = r.claims()
	}
	if api.Held == nil && len(a.faults) == faults {
		a.parts[api] = p
	}
	return p
}

// finds reports whether the names still stand for these objects.
func (a *assembler) finds(named []reference) bool {
	for _, r := range named {
		var now any
		switch r.kind {
		case KindGateway:
			now = a.names.gateways[r.name]
		case KindUpstream:
			now = a.names.upstreams[r.name]
		case KindIssuer:
			now = a.names.issuers[r.name]
		case KindPolicy:
			now = a.names.policies[r.name]
		case KindLimit:
			now = a.names.limits[r.name]
		}
		if now != r.object {
			return false
		}
	}
	return true
}
