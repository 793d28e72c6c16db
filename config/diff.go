package config

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// Diff tells what changes from one configuration to another by what the documents mean: deleted objects first, then changed
// ones, then added ones, each in order of kind, name and version. nil stands for no configuration. The order of documents, fields
// and files, comments, shorthands and defaults that are written out make no difference. Secrets are not shown.
func Diff(before, after *gateway.Documents) []gateway.Change {
	old, now := originals(before), originals(after)
	d := &differ{forms: newForms()}
	var deleted, changed, added []gateway.Change
	for _, ref := range sortedRefs(old, now) {
		b, a := old[ref], now[ref]
		switch {
		case a == nil:
			deleted = append(deleted, d.whole(gateway.Deleted, b))
		case b == nil:
			added = append(added, d.whole(gateway.Added, a))
		default:
			if c := d.change(b, a); len(c.Fields) > 0 {
				changed = append(changed, c)
			}
		}
	}
	return slices.Concat(deleted, changed, added)
}

// originals returns the documents that were read, of those that this package loaded.
func originals(docs *gateway.Documents) map[gateway.Ref]*original {
	out := map[gateway.Ref]*original{}
	if docs == nil {
		return out
	}
	for ref, w := range docs.Written {
		if own, ok := w.(*original); ok {
			out[ref] = own
		}
	}
	return out
}

// sortedRefs returns the objects of both, in the order of kinds, then of names and versions.
func sortedRefs(a, b map[gateway.Ref]*original) []gateway.Ref {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	order := kinds()
	slices.SortFunc(all, func(a, b gateway.Ref) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, string(a.Kind)), slices.Index(order, string(b.Kind))),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		)
	})
	return slices.Compact(all)
}

// differ compares documents.
type differ struct{ forms *forms }

func (d *differ) side(w *original) canonical.Side {
	return canonical.Side{Value: w.meaning(d.forms), Origin: w.Origin()}
}

// whole is an object that is on one side only, with all that it says.
func (d *differ) whole(kind gateway.ChangeKind, w *original) gateway.Change {
	c := described(kind, w)
	side := d.side(w)
	side.Value.Parts = slices.DeleteFunc(side.Value.Parts, func(p canonical.Part) bool {
		return p.Name == "kind" || p.Name == "name" || p.Name == "version" && w.Ref().Version != "" // The change names these.
	})
	c.Fields = canonical.Fields(kind, side)
	return c
}

// change is an object that is on both sides, with what differs.
func (d *differ) change(before, after *original) gateway.Change {
	c := described(gateway.Changed, after)
	if before != after { // A file that did not change has the same documents in memory.
		c.Fields = canonical.Compare(d.side(before), d.side(after))
	}
	return c
}

func described(kind gateway.ChangeKind, w *original) gateway.Change {
	return gateway.Change{Kind: kind, Object: w.Ref(), Team: w.Team(), Place: w.Origin().At(""), Fields: []gateway.FieldChange{}}
}
