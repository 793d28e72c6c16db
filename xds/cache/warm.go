package cache

import (
	"maps"
	"slices"
)

// Clusters of which nobody knows that they are warm: a request that is routed to one before is answered with 503. Normally the
// barrier keeps all routes back until there is none. Where it cannot hold, because one cluster hangs, this decides which
// routes wait on.

// cold tells whether a cluster that the client is to have is not known to be warm. One that was is warm as long as it is not
// taken away: when it changes, the old one serves until the new one is warm (envoy-facts 11).
func (s *stream) cold(name string) bool {
	if !s.types[clusters].opened || s.target.get(clusters, name) == nil {
		return false // its clusters are not our business, or it is one of the bootstrap
	}
	return !s.warm[name] && !s.waived[name]
}

// temperature is whether any cluster is cold, so that it is not looked for with every request.
type temperature int

const (
	unmeasured temperature = iota
	allWarm
	someCold
)

// chilly tells whether any cluster is cold.
func (s *stream) chilly() bool {
	if s.temperature == unmeasured {
		s.temperature = allWarm
		if slices.ContainsFunc(s.target.sets[clusters].names, s.cold) {
			s.temperature = someCold
		}
	}
	return s.temperature == someCold
}

// heat notes which clusters are warm after a response was accepted.
func (s *stream) heat(k kind, sent map[string]*Resource) {
	if k == clusters || k == endpoints {
		s.temperature = unmeasured
	}
	for name, r := range sent {
		switch {
		case k == clusters && r != nil:
			s.warm[name] = true
			delete(s.waived, name)
		case k == endpoints && r != nil && s.eased(name):
			s.warm[name] = true
		}
	}
}

// eased tells whether a cluster is warm as soon as Envoy has accepted its endpoints, which it asks for only when it has the
// cluster. Its acknowledgement tells the same, but another cluster may hold that up.
func (s *stream) eased(name string) bool {
	c := s.target.get(clusters, name)
	if c == nil || c.endpoints != name || !c.eased {
		return false
	}
	t := &s.types[clusters]
	return slices.ContainsFunc(append(slices.Clone(t.overdue), t.flight), func(f *flight) bool {
		return f != nil && f.sent[name] != nil && f.sent[name].Version == c.Version
	})
}

// pass returns which of the listeners, route configurations or virtual hosts may be sent through a gate.
func (s *stream) pass(k kind, names []string, g gate) []string {
	if k == listeners || !s.chilly() {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		if g == narrow {
			return len(s.coldOf(s.target.get(k, name))) > 0
		}
		return len(s.breaks(k, name)) > 0
	})
}

// coldOf returns the cold clusters to which routes of a resource send requests.
func (s *stream) coldOf(r *Resource) []string {
	var names []string
	for _, named := range r.destinations() {
		for _, name := range named {
			if s.cold(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// breaks returns the cold clusters for which a route that serves would stop serving, if the resource were sent now. A new route,
// or a new host, breaks nothing: until then its requests are answered with 404, and they would hold up the others.
func (s *stream) breaks(k kind, name string) []string {
	next := s.target.get(k, name)
	all := s.coldOf(next)
	if len(all) == 0 {
		return nil
	}
	t := &s.types[k]
	if t.held[name] == "" {
		return nil
	}
	before := t.has[name]
	if before == nil || renames(before.destinations(), next.destinations()) {
		return all // whatever it is, it may serve
	}
	var broken []string
	for route, now := range next.destinations() {
		then, serves := before.destinations()[route]
		for _, cluster := range now {
			if serves && s.cold(cluster) && !slices.Contains(then, cluster) {
				broken = append(broken, cluster)
			}
		}
	}
	return broken
}

// renames tells whether a route went away: its requests may go to one of another name now.
func renames(before, next destinations) bool {
	for route := range before {
		if _, ok := next[route]; !ok {
			return true
		}
	}
	return false
}

// cooling tells whether a resource waits for clusters to be warm that may still become so, and notes which these are when the
// wait begins.
func (s *stream) cooling() bool {
	if s.gate() == shut || !s.chilly() {
		s.awaited = nil
		return false
	}
	now := map[string]bool{}
	for k := routeConfigs; k < kinds; k++ {
		for _, name := range s.due(k).puts {
			for _, cluster := range s.breaks(k, name) {
				if !s.types[clusters].refused.has(cluster, versionOf(s.target.get(clusters, cluster))) {
					now[cluster] = true
				}
			}
		}
	}
	if s.waiting[warmed] == 0 || len(now) == 0 {
		s.awaited = now
	}
	return len(now) > 0
}

// awaitedNames returns the clusters for which the present wait is, sorted.
func (s *stream) awaitedNames() []string { return slices.Sorted(maps.Keys(s.awaited)) }

// waive lets routes to the clusters go out that were waited for in vain: what else changed with them must not wait for ever.
// Clusters that were refused are another matter: the routes that serve stay as they are.
func (s *stream) waive() {
	maps.DeleteFunc(s.waived, func(name string, _ bool) bool { return s.target.get(clusters, name) == nil })
	for name := range s.awaited {
		if s.cold(name) {
			s.waived[name] = true
		}
	}
	s.awaited, s.temperature = nil, unmeasured
}
