package gateway

import "slices"

// SharedLimit is a Limit document: one limit for all that name it, whose requests are counted together.
type SharedLimit struct {
	Limit
	Team   string `json:"-"` // Empty: the platform.
	Shared bool   `json:"-"` // Whether APIs of other teams may name it.
	Origin Origin `json:"-"`
}

// sharedScope begins the scope of a limit that has a document of its own.
const sharedScope = "limit/"

// Scope returns the scope of the limit wherever it is named (Limit.Scope).
func (l *SharedLimit) Scope() string { return sharedScope + l.Name }

// sharedLimit returns the limit that another stands for, which names a Limit document.
func (a *assembler) sharedLimit(api *API, l Limit, place string) (Limit, bool) {
	shared, ok := lookup(a, api, KindLimit, func(o objects) map[string]*SharedLimit { return o.limits }, l.Of, place+".limit-of")
	if !ok {
		return l, false
	}
	a.checkShared(api, Ref{Kind: KindLimit, Name: shared.Name}, shared.Team, shared.Shared, place+".limit-of")
	out := shared.Limit
	out.Scope = shared.Scope()
	if l.Mode != "" {
		out.Mode = l.Mode
	}
	return out, true
}

// LimitDocuments returns the names of the Limit documents that an API or its operations name, each once.
func (api *API) LimitDocuments() []string {
	var names []string
	add := func(list []Limit) {
		for _, l := range list {
			if l.Of != "" && !slices.Contains(names, l.Of) {
				names = append(names, l.Of)
			}
		}
	}
	add(api.Limits)
	for _, op := range api.Operations {
		if op.Limits != nil {
			add(*op.Limits)
		}
	}
	return names
}

func (api *API) namesLimit(name string) bool { return slices.Contains(api.LimitDocuments(), name) }
