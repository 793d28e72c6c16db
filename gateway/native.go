package gateway

// Native returns the policies that Envoy decides by itself on the route, in their order: all that are not off, where none of
// them and nothing else needs a call. Where a call is made anyway, it decides them all.
func (r *Route) Native() []AppliedPolicy {
	if r.Action != ActionForward || r.CallsAuthorization() {
		return nil
	}
	var native []AppliedPolicy
	for _, p := range r.Authorize {
		if p.Mode != Off {
			native = append(native, p)
		}
	}
	return native
}

// settle takes from Envoy what it cannot decide on this very route: who reads claims must know that every caller has a
// verified token, or that none has. A caller who came another way may have shown a token that proves nothing here. And where
// the PROXY protocol comes first, Envoy's rules and a policy do not mean the same peer.
func (r *Route) settle() {
	tokens := !r.TakesToken() && len(r.Issuers(ByJWT)) > 0
	proxied := r.Gateway != nil && r.Gateway.Trust.ProxyProtocol
	for i := range r.Authorize {
		switch p := &r.Authorize[i]; {
		case p.Native == nil:
		case tokens && p.Native.reads(OfClaim):
			p.Native, p.Why = nil, "it reads claims, and callers may come without a token"
		case proxied && p.Native.reads(OfAddress):
			p.Native, p.Why = nil, "it reads the peer's address, which the PROXY protocol replaces"
		}
	}
}

// reads reports whether a part of the predicate looks at an attribute.
func (p *Predicate) reads(of Attribute) bool {
	found := false
	p.Walk(func(t *Test) { found = found || t.Of == of })
	return found
}

// Walk visits every Test of the predicate.
func (p *Predicate) Walk(visit func(*Test)) {
	for i := range p.All {
		p.All[i].Walk(visit)
	}
	for i := range p.Any {
		p.Any[i].Walk(visit)
	}
	if p.Not != nil {
		p.Not.Walk(visit)
	}
	if p.Test != nil {
		visit(p.Test)
	}
}
