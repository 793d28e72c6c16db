package cache

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
)

// hunt looks for the guilty among the contents of one refused response, of which Envoy seldom says which it means
// (envoy-facts 10): it sends them again in halves, one response at a time, until what is refused is a single content, and
// all others are accepted. While it lasts nothing else of its type is sent, which would only add suspects.
//
// One guilty content among n costs about log2(n)+2 responses. Several cost that each; a hunt that costs too much ends,
// and what it did not clear stays suspect.
type hunt struct {
	contents map[string]*Resource // by name, as they were refused; nil: a removal
	groups   []group              // to be tried, the last one first
	trying   bool                 // the last group is on its way
	budget   int                  // how many more responses it may cost
}

// group are suspects that are tried together.
type group struct {
	names []string
	// rest: together with the group above it on the list it was refused, so it is guilty if that one is accepted.
	rest bool
	// guilty: it is known to hold a guilty content, and is tried in parts if it has any.
	guilty bool
}

// newHunt begins a hunt among contents, more than one. What Envoy's words name is tried first.
func newHunt(contents map[string]*Resource, text string) *hunt {
	h := &hunt{contents: contents, budget: 2*bits.Len(uint(len(contents))) + 2}
	names := slices.Sorted(maps.Keys(contents))
	named := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !quoted(text, name) })
	if len(named) == 0 || len(named) == len(names) {
		h.split(names)
		return h
	}
	others := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(named, name) })
	h.groups = []group{{names: others, rest: true}, {names: named}}
	return h
}

// quoted tells whether Envoy's words hold a name in quotes, as its dumps and some of its errors do.
func quoted(text, name string) bool {
	return strings.Contains(text, `"`+name+`"`) || strings.Contains(text, `'`+name+`'`)
}

// split puts the two halves of some names on the list.
func (h *hunt) split(names []string) {
	half := (len(names) + 1) / 2
	h.groups = append(h.groups, group{names: names[half:], rest: true}, group{names: names[:half]})
}

// next returns the names that are to be tried next; none if the hunt is over, or while a group is on its way. A last single
// suspect is tried whatever it costs, as nothing else could clear it.
func (h *hunt) next() []string {
	if h.trying || h.budget <= 0 && len(h.left()) != 1 {
		return nil
	}
	for len(h.groups) > 0 {
		last := &h.groups[len(h.groups)-1]
		switch {
		case len(last.names) == 0:
			h.groups = h.groups[:len(h.groups)-1]
		case last.guilty && len(last.names) > 1:
			names := last.names
			h.groups = h.groups[:len(h.groups)-1]
			h.split(names)
		default:
			if !last.guilty && !h.paired() {
				h.merge()
			}
			return h.groups[len(h.groups)-1].names
		}
	}
	return nil
}

// paired tells whether the group below the last one is the rest of the same response.
func (h *hunt) paired() bool {
	return len(h.groups) > 1 && h.groups[len(h.groups)-2].rest
}

// merge makes one group of all that nothing is known about: the rests of responses whose first half was refused too.
func (h *hunt) merge() {
	var unknown []string
	var others []group
	for _, g := range h.groups {
		if g.guilty {
			others = append(others, g)
			continue
		}
		unknown = append(unknown, g.names...)
	}
	slices.Sort(unknown)
	h.groups = append(others, group{names: unknown})
}

// add takes up another refused response, after all else.
func (h *hunt) add(contents map[string]*Resource) {
	for name := range contents {
		h.drop(name)
	}
	maps.Copy(h.contents, contents)
	h.groups = slices.Insert(h.groups, 0, group{names: slices.Sorted(maps.Keys(contents)), guilty: true})
	h.budget += 2*bits.Len(uint(len(contents))) + 2
}

// over tells whether nothing is left to be tried, or may be.
func (h *hunt) over() bool { return !h.trying && len(h.next()) == 0 }

// sent notes that the last group is on its way.
func (h *hunt) sent() {
	h.trying = true
	h.budget--
}

// accepted settles the group that was tried: there is nothing wrong with it, so there is with the rest.
func (h *hunt) accepted() {
	h.pop()
	if n := len(h.groups); n > 0 && h.groups[n-1].rest {
		h.groups[n-1].rest, h.groups[n-1].guilty = false, true
	}
}

// refused settles the group that was tried: nothing is known of the rest any more. It is tried in parts, unless the response
// settled all of it.
func (h *hunt) refused(settled bool) {
	tried := h.pop()
	if n := len(h.groups); n > 0 {
		h.groups[n-1].rest = false
	}
	switch {
	case settled:
	case len(tried.names) > 1:
		h.split(tried.names)
	default: // what it was tried with has changed meanwhile
		h.groups = append(h.groups, tried)
	}
}

func (h *hunt) pop() group {
	h.trying = false
	last := h.groups[len(h.groups)-1]
	h.groups = h.groups[:len(h.groups)-1]
	return last
}

// drop takes a name out of the hunt.
func (h *hunt) drop(name string) {
	delete(h.contents, name)
	for i := range h.groups {
		h.groups[i].names = slices.DeleteFunc(h.groups[i].names, func(other string) bool { return other == name })
	}
}

// left returns the names that were neither cleared nor proven.
func (h *hunt) left() []string {
	var all []string
	for _, g := range h.groups {
		all = append(all, g.names...)
	}
	return all
}

// culprits returns those of a refused response that Envoy's words name as the guilty ones, where all others were applied.
// This is so for clusters and listeners: "Error adding/updating cluster(s) a: why, b: why" (envoy-facts 10).
func culprits(k kind, text string, sent map[string]*Resource) map[string]*Resource {
	head := map[kind]string{clusters: "Error adding/updating cluster(s) ", listeners: "Error adding/updating listener(s) "}[k]
	if head == "" || !strings.HasPrefix(text, head) {
		return nil
	}
	text = ", " + strings.TrimPrefix(text, head)
	named := map[string]*Resource{}
	for name, r := range sent {
		if strings.Contains(text, ", "+name+": ") {
			named[name] = r
		}
	}
	return named
}
