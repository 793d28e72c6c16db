package gateway

import (
	"fmt"
	"strings"
)

// LimitTold says what a limit of a route does, in words for people.
type LimitTold struct {
	Limit   string   `json:"limit" doc:"Its id"`
	Counts  string   `json:"counts" doc:"What is counted by, and which requests"`
	Windows []string `json:"windows" nullable:"false" doc:"What is let through"`
	Spent   string   `json:"spent" doc:"Where a request spends from it"`
	Away    string   `json:"away" doc:"What becomes of a request while its store, or Gatehouse, is away"`
}

// ToldLimits returns what the limits of the route do; nil where requests do not reach them.
func (r *Route) ToldLimits() []LimitTold {
	if r.Action != ActionForward {
		return nil
	}
	var all []LimitTold
	for i := range r.Limits {
		l := &r.Limits[i]
		one := LimitTold{Limit: l.ID(), Counts: l.toldCounts(), Spent: r.toldSpent(l), Away: r.toldAway(l)}
		for _, w := range l.Windows {
			one.Windows = append(one.Windows, w.String())
		}
		all = append(all, one)
	}
	return all
}

// toldCounts says what is counted by, of which requests and how much.
func (l *Limit) toldCounts() string {
	text := "all requests together"
	if len(l.Key) > 0 {
		text = "for each " + strings.Join(l.Key, " and ")
	}
	if w := l.When; w != nil {
		text += ", where " + w.told()
	}
	switch {
	case l.Cost.From != "":
		text += "; a request costs what " + l.Cost.From + " says"
	case l.Cost.Number > 1:
		text += fmt.Sprintf("; a request costs %d", l.Cost.Number)
	}
	return text
}

// told says which requests are meant.
func (w *LimitWhen) told() string {
	var asked []string
	add := func(what string, values ...string) {
		if is := strings.Join(values, " or "); is != "" {
			what += " is " + is
		} else {
			what += " is there"
		}
		asked = append(asked, what)
	}
	for _, h := range w.Headers {
		add("the header "+h.Name, h.Values...)
	}
	for _, q := range w.Query {
		add("the query parameter "+q.Name, q.Value)
	}
	for _, c := range w.Claims {
		add("the claim "+c.Name, c.Values...)
	}
	if len(w.Plans) > 0 {
		add("the plan", w.Plans...)
	}
	return strings.Join(asked, " and ")
}

// toldSpent says where a request spends from the limit.
func (r *Route) toldSpent(l *Limit) string {
	text := "by a call for the limits"
	switch {
	case l.Enforce == Distributed:
		text = "in each Envoy, from its share: no call"
	case r.CheckSpends():
		text = "in the authorization call"
	}
	if l.Enforce != Distributed && l.Cost.Late() {
		text += ", and when the stream ends"
	}
	if l.Lease > 0 {
		text += fmt.Sprintf("; a replica borrows up to %d at a time", l.Lease)
	}
	if l.Ceiling {
		text += "; each Envoy has a ceiling in front"
	}
	if l.Mode == Shadow {
		text += "; in shadow mode: it refuses nothing"
	}
	return text
}

// toldAway says what becomes of a request that nobody can count.
func (r *Route) toldAway(l *Limit) string {
	gatehouse := r.LimitsAway()
	if r.CheckSpends() {
		gatehouse = r.CheckAway()
	}
	if l.Enforce == Distributed {
		if r.WhenAway.Limits == Closed {
			return "after 20 seconds without Gatehouse everything is refused"
		}
		return "after 20 seconds without Gatehouse each Envoy holds to the whole limit by itself"
	}
	words := map[StoreAway]string{
		StoreOpen: "without its store requests go on, and are counted as let through", StoreClosed: "without its store requests get 503",
		StoreLocal: "without its store each replica counts its part by itself",
	}
	text := words[l.Away(r)]
	if l.Mode == Shadow {
		text = words[StoreOpen]
	}
	if gatehouse == Closed {
		return text + "; without Gatehouse they get 503"
	}
	return text + "; without Gatehouse they go on"
}
