package cache

import "slices"

// keptRefusals is how many refused contents of one name a stream remembers.
const keptRefusals = 8

// refusals remembers by name which contents a client refused on this stream, so that none is sent again unasked.
type refusals map[string][]refused

// refused is one content that was part of a refused response.
type refused struct {
	version  string    // "" for a removal
	suspects *suspects // all that the response held
}

// suspects are the contents of one refused response that a hunt did not clear. If it holds one content, that is proven. Of
// several, the innocent are sent again when the client accepts another content of one of them, as that may have been the
// guilty one; each time fewer remain.
type suspects struct {
	names []string
}

// add notes that contents were refused together. One that is refused for the second time belongs to the smaller group.
func (r refusals) add(contents map[string]*Resource) {
	group := &suspects{}
	for name, resource := range contents {
		group.names = append(group.names, name)
		x := refused{version: versionOf(resource), suspects: group}
		switch at := slices.IndexFunc(r[name], func(y refused) bool { return y.version == x.version }); {
		case at < 0:
			list := append(r[name], x)
			r[name] = list[max(0, len(list)-keptRefusals):]
		case len(contents) < len(r[name][at].suspects.names):
			r[name][at] = x
		}
	}
}

// has tells whether a content was refused.
func (r refusals) has(name, version string) bool {
	return slices.ContainsFunc(r[name], func(x refused) bool { return x.version == version })
}

// accepted is told what the client accepted. Where another content of some suspects is accepted, these stay suspects, and
// all others of their refused response are acquitted; it returns the names of those.
func (r refusals) accepted(contents map[string]*Resource) []string {
	changed := map[*suspects][]string{}
	for name, resource := range contents {
		r.acquit(name, versionOf(resource))
		for _, x := range r[name] {
			changed[x.suspects] = append(changed[x.suspects], name)
		}
	}
	var acquitted []string
	for group, names := range changed {
		for _, other := range group.names {
			if slices.Contains(names, other) {
				continue
			}
			r.drop(other, func(x refused) bool { return x.suspects == group })
			acquitted = append(acquitted, other)
		}
		group.names = names
	}
	return acquitted
}

// acquit forgets that a content was refused: the client has accepted it.
func (r refusals) acquit(name, version string) {
	r.drop(name, func(x refused) bool { return x.version == version })
}

// drop forgets the refused contents of a name for which the condition holds.
func (r refusals) drop(name string, condition func(refused) bool) {
	if _, ok := r[name]; !ok {
		return
	}
	if r[name] = slices.DeleteFunc(r[name], condition); len(r[name]) == 0 {
		delete(r, name)
	}
}

// prune keeps the memory bounded by what is wanted or held: older names go when they are the majority.
func (r refusals) prune(t *subscription, wanted *set) {
	if len(r) <= 2*len(wanted.byName)+keptRefusals {
		return
	}
	for name := range r {
		if _, held := t.held[name]; !held && wanted.byName[name] == nil {
			delete(r, name)
		}
	}
}

// versionOf returns the version of a resource in a flight, "" for a removal.
func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.Version
}
