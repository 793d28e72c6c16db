package compare

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// Documents tells what changes from one configuration to another, each object with its source; nil is none at all. An object that only
// moves to another source has a change too.
func Documents(before, after *gateway.Documents) []gateway.Change {
	old, now := config.Objects(orNone(before)), config.Objects(orNone(after))
	changes := config.Diff(before, after)
	met := map[gateway.Ref]bool{}
	for i := range changes {
		c := &changes[i]
		met[c.Object] = true
		in := now
		if c.Kind == gateway.Deleted {
			in = old
		}
		c.Source = in[c.Object].Source
		c.Place.Source = c.Source
		for k := range c.Fields {
			c.Fields[k].Place.Source = c.Source
			if c.Kind == gateway.Changed && c.Fields[k].Kind == gateway.Deleted {
				c.Fields[k].Place.Source = old[c.Object].Source
			}
		}
		if from := old[c.Object].Source; c.Kind == gateway.Changed && from != c.Source {
			c.Fields = append(c.Fields, moved(from, c.Source, c.Place))
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(now), gateway.Ref.Compare) {
		if at, was := old[ref]; was && !met[ref] && at.Source != now[ref].Source {
			place := now[ref].At("")
			changes = append(changes, gateway.Change{
				Kind: gateway.Changed, Object: ref, Source: now[ref].Source, Place: place,
				Fields: []gateway.FieldChange{moved(at.Source, now[ref].Source, place)},
			})
		}
	}
	order := []gateway.ChangeKind{gateway.Deleted, gateway.Changed, gateway.Added}
	slices.SortStableFunc(changes, func(a, b gateway.Change) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	return changes
}

func moved(from, to string, at gateway.Place) gateway.FieldChange {
	return gateway.FieldChange{Kind: gateway.Changed, Field: "source", Before: from, After: to, Place: at}
}

func orNone(d *gateway.Documents) *gateway.Documents {
	if d == nil {
		return &gateway.Documents{}
	}
	return d
}
