package gateway

import "fmt"

// Acts say what becomes of requests beside being forwarded as they are, or in place of it.
type Acts struct {
	Mirror   []Mirror    `json:",omitempty"` // nil: not said.
	Split    *Split      `json:",omitempty"`
	Rewrite  *Rewrite    `json:",omitempty"`
	Redirect *RedirectTo `json:",omitempty"`
	Respond  *Respond    `json:",omitempty"`
}

// Mirror is an Upstream that gets a copy of requests; its answers are thrown away.
type Mirror struct {
	Upstream string
	Percent  float64 // Of the requests.
}

// Split says by what requests are shared out among several Upstreams: those alike in it go to the same one. At random where it is
// not said, and for requests that do not have it.
type Split struct {
	Header string `json:",omitempty"` // In lower case.
	Cookie string `json:",omitempty"`
}

// RedirectTo is an answer that sends the client elsewhere (RFC 9110 15.4). What is empty stays as the client asked for it.
type RedirectTo struct {
	Scheme     string `json:",omitempty"`
	Host       string `json:",omitempty"`
	Port       int    `json:",omitempty"`
	Path       *Path  `json:",omitempty"` // With the names of parameters of the path that was asked for.
	Status     int
	StripQuery bool `json:",omitempty"`
}

// Respond is an answer that Envoy gives by itself.
type Respond struct {
	Status int
	Type   string `json:",omitempty"` // Media type; empty where there is no body.
	Body   string `json:",omitempty"` // Its bytes.
}

// Answers reports whether Envoy answers the requests itself, so that no upstream is needed.
func (a *Acts) Answers() bool { return a.Redirect != nil || a.Respond != nil }

// MirrorTarget is an Upstream that gets copies of a route's requests.
type MirrorTarget struct {
	Upstream *Upstream
	Percent  float64
}

// over returns the acts of an operation, with those of its API where it says nothing.
func (a Acts) over(api Acts) Acts {
	if a.Answers() {
		return a
	}
	if a.Mirror == nil {
		a.Mirror = api.Mirror
	}
	if a.Split == nil {
		a.Split = api.Split
	}
	if a.Rewrite == nil {
		a.Rewrite = api.Rewrite
	}
	return a
}

// act fills in what a route does with requests: its targets and mirrors, or its own answer.
func (a *assembler) act(api *API, op *Operation, r *Route) {
	r.Acts = op.Acts.over(api.Acts)
	at := func(field string) string {
		if op.Field == "" || api.Kind == KindRoute {
			return field
		}
		return op.Field + "." + field
	}
	if w := r.Rewrite; w != nil && w.Path != nil && !w.Below {
		if err := w.Path.madeOf(op.Match.Path); err != nil {
			a.apiFault(api, CodeRewrite, at("rewrite"), "%s", err)
		}
	}
	if to := r.Redirect; to != nil && to.Path != nil {
		if err := to.Path.madeOf(op.Match.Path); err != nil {
			a.apiFault(api, CodeRewrite, at("redirect"), "%s", err)
		}
	}
	if r.Answers() {
		return
	}
	to, field := api.To, "to"
	if op.To != nil {
		to, field = op.To, op.Field+".to"
	}
	r.Targets = a.targets(api, to, field)
	field = "mirror"
	if op.Mirror != nil {
		field = at(field)
	}
	for i, m := range r.Mirror {
		place := fmt.Sprintf("%s[%d].upstream", field, i)
		u, ok := lookup(a, api, KindUpstream, func(o objects) map[string]*Upstream { return o.upstreams }, m.Upstream, place)
		if !ok {
			continue
		}
		a.checkShared(api, Ref{Kind: KindUpstream, Name: u.Name}, u.Team, u.Shared, place)
		r.Mirrors = append(r.Mirrors, MirrorTarget{Upstream: u, Percent: m.Percent})
	}
}

// Upstreams returns every Upstream that gets requests of the route, or copies of them.
func (r *Route) Upstreams() []*Upstream {
	out := make([]*Upstream, 0, len(r.Targets)+len(r.Mirrors))
	for _, t := range r.Targets {
		out = append(out, t.Upstream)
	}
	for _, m := range r.Mirrors {
		out = append(out, m.Upstream)
	}
	return out
}

// checkAnswers finds limits that nobody would count: those that Envoys count by themselves, on a route that forwards nothing.
func (a *assembler) checkAnswers(api *API, r *Route, field string) {
	if own := r.DistributedLimits(); r.Answers() && len(own) > 0 {
		a.apiFault(api, CodeDistributed, field, "the limit %s is counted by Envoys where they forward, and %s forwards nothing: remove enforce: distributed", own[0].Name, r.Name)
	}
}
