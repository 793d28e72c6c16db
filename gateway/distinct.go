package gateway

import "fmt"

// distinct finds routes that match the same requests on the same host of the same gateway: which one answers would depend
// on their order. Both are at fault, as nothing tells which API was meant to have them: were it one alone, quarantine would
// leave the other in its place. Of routes that only refuse, the first is kept in silence.
func (a *assembler) distinct(parts []*part) []*Route {
	count := 0
	for _, p := range parts {
		count += len(p.routes)
	}
	first := make(map[string]*Route, count)
	kept := make([]*Route, 0, count)
	for _, p := range parts {
		for i, r := range p.routes {
			if clash := claim(first, r, p.claims[i]); clash == nil || clash == r {
				kept = append(kept, r)
			} else if r.Action == ActionForward && clash.Action == ActionForward {
				a.equalMatch(r, clash)
				if clash.Object != r.Object {
					a.equalMatch(clash, r)
				}
			}
		}
	}
	return kept
}

// equalMatch records that a route matches what another one does.
func (a *assembler) equalMatch(r, other *Route) {
	a.faults = append(a.faults, Fault{
		Code: CodeEqualMatch, Place: r.Origin, Object: r.Object,
		Message: fmt.Sprintf("%s matches the same requests as %s (%s): change the path, the method or a condition of one of them",
			r.Name, other.Name, other.Origin),
	})
}

// claim notes a route under all that it claims, and returns the route that has something of it already.
func claim(first map[string]*Route, r *Route, claims []string) *Route {
	for _, key := range claims {
		if clash, taken := first[key]; taken {
			return clash
		}
		first[key] = r
	}
	return nil
}

// claims returns a text for each gateway, host and method that a route matches.
func (r *Route) claims() []string {
	methods := r.Match.Methods
	if len(methods) == 0 {
		methods = []string{""}
	}
	rest := r.Match
	rest.Methods = nil
	match := rest.key()
	if r.Action != ActionForward {
		match += "\x00" + string(r.Action)
	}
	keys := make([]string, 0, len(r.Hosts)*len(methods))
	for _, h := range r.Hosts {
		for _, m := range methods {
			keys = append(keys, r.Gateway.Name+"\x00"+h+"\x00"+m+"\x00"+match)
		}
	}
	return keys
}
