package translate

import (
	"slices"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
)

// Zoned returns the forms of a message for Envoys of a zone, by its name: the endpoints of an upstream whose Envoys take those of
// their own zone first. nil for any other message, of which all Envoys get the same.
func (out *Resources) Zoned(m proto.Message) map[string]proto.Message {
	all, ok := m.(*endpointv3.ClusterLoadAssignment)
	if !ok {
		return nil
	}
	if u := out.learnt.upstreams[all.GetClusterName()]; u == nil || !u.Balancing.OwnZone {
		return nil
	}
	var zones map[string]proto.Message
	for _, group := range all.Endpoints {
		zone := group.GetLocality().GetZone()
		if zone == "" || zones[zone] != nil {
			continue
		}
		if zones == nil {
			zones = map[string]proto.Message{}
		}
		zones[zone] = ownFirst(all, zone)
	}
	return zones
}

// ownFirst splits each priority into that of the endpoints of a zone, and that of the others behind it. Envoy goes on to the next
// priority by as much as the healthy endpoints of one do not suffice.
func ownFirst(all *endpointv3.ClusterLoadAssignment, zone string) *endpointv3.ClusterLoadAssignment {
	out := proto.CloneOf(all)
	var priorities []int
	for _, group := range out.Endpoints {
		group.Priority *= 2
		if group.GetLocality().GetZone() != zone {
			group.Priority++
		}
		priorities = append(priorities, int(group.Priority))
	}
	slices.Sort(priorities)
	priorities = slices.Compact(priorities)
	for _, group := range out.Endpoints {
		at, _ := slices.BinarySearch(priorities, int(group.Priority))
		group.Priority = uint32(at)
	}
	slices.SortStableFunc(out.Endpoints, func(a, b *endpointv3.LocalityLbEndpoints) int { return int(a.Priority) - int(b.Priority) })
	return out
}
