package cache

import "slices"

// reason says why a name waits to be looked at, weakest first.
type reason int

const (
	changed reason = iota // what the client should have may differ from what it has
	forced                // Envoy needs it again although it has it (envoy-facts 1 and 11)
	asked                 // the client asked for it, so it gets an answer even if nothing changed
)

// uncertain is the version of a name after a response that held it was refused: Envoy applies such a response wholly, in
// parts or not at all (envoy-facts 10), so the client may hold the content before or the refused one. It equals no hash.
const uncertain = "?"

// subscription is the state of one resource type on one stream.
type subscription struct {
	opened   bool                // a request of this type has come
	wildcard bool                // the client wants all there is
	greet    bool                // the first answer is owed even if it is empty
	names    map[string]struct{} // wanted by name
	// held is what the client has by its own word or its acknowledgements: name to version, "" if it was told that there is
	// no such resource. No entry: it was never told anything.
	held    map[string]string
	doubt   int                  // how many of held are uncertain
	has     map[string]*Resource // of those that it accepted on this stream and that name routes: what is in them
	pending map[string]reason    // names to be looked at before the next response
	flight  *flight              // the last response that is not answered yet, or nil
	overdue []*flight            // those before it that are not answered either; only of clusters
	refused refusals
	hunt    *hunt             // for the guilty of a refused response, or nil
	insist  map[string]string // contents to be sent although other nodes refused them: name to version
}

// flight is a response on its way.
type flight struct {
	nonce   string
	sent    map[string]*Resource // by name; nil: named in removed_resources
	retires bool                 // it takes away what waited for its grace
	hunt    *hunt                // whose suspects it tries, or nil
}

func newSubscription() subscription {
	return subscription{
		names:   map[string]struct{}{},
		held:    map[string]string{},
		has:     map[string]*Resource{},
		insist:  map[string]string{},
		pending: map[string]reason{},
		refused: refusals{},
	}
}

// wants tells whether the client is interested in a name.
func (t *subscription) wants(name string) bool {
	return t.wildcard || t.named(name)
}

// named tells whether the client asked for a name by itself.
func (t *subscription) named(name string) bool {
	_, ok := t.names[name]
	return ok
}

// pend puts a name on the list of those to be looked at; the stronger reason stays.
func (t *subscription) pend(name string, why reason) {
	if before, ok := t.pending[name]; !ok || before < why {
		t.pending[name] = why
	}
}

// satisfied tells whether the client has what a resource says, or where that says that nothing is known, anything at all.
func (t *subscription) satisfied(name string, r *Resource) bool {
	has := t.held[name]
	return has == r.Version || r.unknown && has != "" && has != uncertain
}

// hold notes what the client has of a name.
func (t *subscription) hold(name, version string) {
	t.forget(name)
	t.held[name] = version
	if version == uncertain {
		t.doubt++
	}
}

// forget drops what is known about a name.
func (t *subscription) forget(name string) {
	if t.held[name] == uncertain {
		t.doubt--
	}
	delete(t.held, name)
	delete(t.has, name)
}

// follow puts on the list what differs between the set that was wanted and the one that is wanted now; prev is nil where
// none was.
func (t *subscription) follow(prev, next *set) {
	switch {
	case prev != nil && prev.version == next.version:
		return
	case !t.opened:
		t.dropUnknown(next)
		return
	case prev == nil:
		t.reviewAll(next, changed)
		return
	}
	for name, r := range next.byName {
		if old := prev.byName[name]; t.wants(name) && (old == nil || old.Version != r.Version) {
			t.pend(name, changed)
		}
	}
	for name := range prev.byName {
		if t.wants(name) && next.byName[name] == nil {
			t.pend(name, changed)
		}
	}
	t.refused.prune(t, next)
	t.revise(next)
}

// revise takes out of the hunt what changed meanwhile: it is sent as any other change.
func (t *subscription) revise(next *set) {
	if t.hunt == nil {
		return
	}
	for name, r := range t.hunt.contents {
		if versionOf(next.byName[name]) != versionOf(r) {
			t.hunt.drop(name)
			t.pend(name, changed)
		}
	}
}

// leaveHunt takes those out of the hunt that are not among the others: they wait as they would without it.
func (t *subscription) leaveHunt(all, others []string) {
	for _, name := range all {
		if !slices.Contains(others, name) {
			t.hunt.drop(name)
			t.pend(name, changed)
		}
	}
}

// abandon ends the hunt; what it did not clear stays suspect.
func (t *subscription) abandon() {
	rest := map[string]*Resource{}
	for _, name := range t.hunt.left() {
		rest[name] = t.hunt.contents[name]
	}
	t.refused.add(rest)
	t.hunt = nil
}

// refusing returns those resources of the wanted set that the client wants and has refused.
func (t *subscription) refusing(wanted *set) []*Resource {
	var all []*Resource
	for name := range t.refused {
		if r := wanted.byName[name]; r != nil && t.wants(name) && t.refused.has(name, r.Version) {
			all = append(all, r)
		}
	}
	return all
}

// reviewAll puts all that the client wants or has on the list.
func (t *subscription) reviewAll(all *set, why reason) {
	for name := range t.names {
		t.pend(name, why)
	}
	if !t.wildcard {
		return
	}
	for name := range t.held {
		t.pend(name, why)
	}
	for name := range all.byName {
		t.pend(name, why)
	}
}

// dropUnknown takes off the list what the wanted set has not. Before a type is opened only consequences of other types are
// on its list.
func (t *subscription) dropUnknown(wanted *set) {
	for name := range t.pending {
		if wanted.byName[name] == nil {
			delete(t.pending, name)
		}
	}
}
