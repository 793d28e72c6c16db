package gateway

import (
	"slices"
	"strings"
)

// Judgement says who judges a policy on a route, and why.
type Judgement struct {
	Policy string `json:"policy"`
	Mode   Mode   `json:"mode,omitempty"`
	// By is empty for a policy that is off, which nobody judges.
	By  DecidedBy `json:"by,omitempty"`
	Why string    `json:"why,omitempty"` // A clause about the policy: "it reads the body".
}

// Judgements returns who judges each policy of the route, in their order: Envoy, without a call, or Gatehouse in the one call
// that the request waits for. Where a call is made anyway Gatehouse judges them all, each once.
func (r *Route) Judgements() []Judgement {
	if r.Action != ActionForward {
		return nil
	}
	calls := r.whyAuthorization()
	var out []Judgement
	for _, p := range r.Authorize {
		j := Judgement{Policy: p.Policy.Name, Mode: p.Mode}
		switch {
		case p.Mode == Off:
			j.Why = "it is off"
		case calls == "":
			j.By, j.Why = ByEnvoy, p.Native.compares()
		case p.Native != nil:
			j.By, j.Why = ByGatehouse, "Envoy could, and Gatehouse is called anyway: "+calls
		default:
			j.By, j.Why = ByGatehouse, p.Why
		}
		out = append(out, j)
	}
	return out
}

// compares tells what a predicate looks at.
func (p *Predicate) compares() string {
	words := map[Attribute]string{
		OfMethod: "the method", OfPath: "the path", OfTarget: "the path", OfHost: "the host", OfAddress: "the peer's address",
		OfPrincipal: "the client's certificate",
	}
	var parts []string
	p.Walk(func(t *Test) {
		part := words[t.Of]
		switch t.Of {
		case OfHeader:
			part = "the header " + t.Name
		case OfClaim:
			part = "the claim " + strings.Join(t.Path, ".")
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	})
	switch n := len(parts); n {
	case 0:
		return "it answers alike whatever the request"
	case 1:
		return "it only compares " + parts[0]
	default:
		return "it only compares " + strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
}
