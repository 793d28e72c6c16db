package canonical

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// items compares two lists whose items have names. Items of one name (an API may be exposed twice on one Gateway) are paired by
// what they say, then in order.
func (c *comparison) items(path string, before, after at) {
	old, now := groups(before.value), groups(after.value)
	for _, key := range keys(before.value, after.value) {
		b, a := paired(old[key], now[key])
		for i := range max(len(b), len(a)) {
			switch {
			case i >= len(a):
				c.single(gateway.Deleted, path+"["+before.label(b[i])+"]", before.item(b[i]))
			case i >= len(b):
				c.single(gateway.Added, path+"["+after.label(a[i])+"]", after.item(a[i]))
			default:
				c.value(path+"["+after.label(a[i])+"]", before.item(b[i]), after.item(a[i]))
			}
		}
	}
	if !after.value.Loose {
		c.order(path, before, after)
	}
}

// order compares the order of those items that both lists have.
func (c *comparison) order(path string, before, after at) {
	common := func(of, other *Value) []string {
		var out []string
		for _, p := range of.Parts {
			key := of.key(p)
			if slices.ContainsFunc(other.Parts, func(o Part) bool { return other.key(o) == key }) {
				out = append(out, quoted(key))
			}
		}
		return out
	}
	b, a := common(before.value, after.value), common(after.value, before.value)
	if !slices.Equal(b, a) && len(b) == len(a) {
		c.both(path, "["+strings.Join(b, ", ")+"]", "["+strings.Join(a, ", ")+"]", after.position())
	}
}

// groups returns the items of a list by their names.
func groups(v *Value) map[string][]*Part {
	out := make(map[string][]*Part, len(v.Parts))
	for i := range v.Parts {
		key := v.key(v.Parts[i])
		out[key] = append(out[key], &v.Parts[i])
	}
	return out
}

// keys returns the names of the items of two lists: those of the first in its order, then those that only the second has.
func keys(before, after *Value) []string {
	var all []string
	seen := map[string]bool{}
	for _, v := range []*Value{before, after} {
		for _, p := range v.Parts {
			if key := v.key(p); !seen[key] {
				seen[key] = true
				all = append(all, key)
			}
		}
	}
	return all
}

// paired returns items of one name without those that are the same on both sides.
func paired(before, after []*Part) (b, a []*Part) {
	if len(before) < 2 && len(after) < 2 {
		return before, after
	}
	a = slices.Clone(after)
	for _, p := range before {
		line := Line(p.Value)
		at := slices.IndexFunc(a, func(other *Part) bool { return Line(other.Value) == line })
		if at < 0 {
			b = append(b, p)
			continue
		}
		a = slices.Delete(a, at, at+1)
	}
	return b, a
}
