package cache

import "maps"

// Some resources are not the same for all Envoys of a fleet: endpoints of which each Envoy takes those of its own zone first. A
// Snapshot has them in the form for a zone that nothing runs in, and knows the others.

// placing makes the forms of a snapshot for each zone, once it is whole.
func (s *Snapshot) placing() {
	s.zones = nil
	for _, name := range s.sets[endpoints].names {
		for zone := range s.sets[endpoints].byName[name].zoned {
			if s.zones[zone] == nil {
				if s.zones == nil {
					s.zones = map[string]*Snapshot{}
				}
				s.zones[zone] = s.placed(zone)
			}
		}
	}
}

// placed returns the snapshot as it is for one zone. Its version is that of the whole: which zone a node is in never changes.
func (s *Snapshot) placed(zone string) *Snapshot {
	out := *s
	out.zones = nil
	set := &out.sets[endpoints]
	set.byName = maps.Clone(set.byName)
	for name, r := range set.byName {
		if own := r.zoned[zone]; own != nil {
			set.byName[name] = own
		}
	}
	set.seal()
	out.strip()
	return &out
}

// inZone returns the snapshot as it is sent to nodes of a zone.
func (s *Snapshot) inZone(zone string) *Snapshot {
	if s == nil || s.zones[zone] == nil {
		return s
	}
	return s.zones[zone]
}
