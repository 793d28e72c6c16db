package cache

import (
	"errors"
	"fmt"
	"maps"
)

// With returns the snapshot with other content in some of its resources. All else is shared with the receiver, so that it costs
// what the sets of these kinds cost to hash. A message whose name the snapshot does not have is an error.
func (s *Snapshot) With(items []Item) (*Snapshot, error) {
	next := *s
	var cloned [kinds]bool
	var faults []error
	for _, item := range items {
		k, ok := kindOfMessage(item.Message)
		before := next.sets[k].byName[nameOf(item.Message)]
		if !ok || before == nil {
			faults = append(faults, fmt.Errorf("fleet %s: it has no %s named %q", s.fleet, item.Message.ProtoReflect().Descriptor().FullName(), nameOf(item.Message)))
			continue
		}
		if item.Origin == "" {
			item.Origin = before.Origin
		}
		r, err := newResource(k, item)
		if err != nil {
			faults = append(faults, fmt.Errorf("fleet %s: %w", s.fleet, err))
			continue
		}
		if !cloned[k] {
			next.sets[k].byName, cloned[k] = maps.Clone(next.sets[k].byName), true
		}
		next.sets[k].byName[r.Name] = r
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	for k := range next.sets {
		if cloned[k] {
			next.sets[k].seal()
		}
	}
	next.sealWhole()
	next.strip()
	next.placing()
	return &next, nil
}
