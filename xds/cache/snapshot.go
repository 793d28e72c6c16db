package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// versionBytes is how much of a SHA-256 a version keeps: 128 bits, so that no two contents ever share one.
const versionBytes = 16

// Item is one resource on its way into a Snapshot.
type Item struct {
	// Message is one of Envoy's resource messages; its name is the resource's name.
	Message proto.Message
	// Origin is where the resource comes from, as file:line of a document, shown when an Envoy refuses it.
	Origin string
	// Zoned are the forms of Message for nodes of a zone, by its name; nil: all nodes get Message.
	Zoned map[string]proto.Message
}

// Resource is one immutable resource of a Snapshot, marshalled once for all nodes.
type Resource struct {
	Name    string
	Version string // content hash, hexadecimal
	Origin  string // file:line of the document it comes from

	message   proto.Message         // what it was made from
	wire      *discoveryv3.Resource // what is put into responses; shared, never changed
	field     []byte                // the same as bytes of a response
	endpoints string                // of a cluster of type EDS: the name of its endpoints' resource
	unknown   bool                  // of endpoints: a list without a group, which stands in for what nobody knows
	eased     bool                  // of such a cluster: it waits for nothing else before it is warm
	zoned     map[string]*Resource  // its forms for nodes of a zone
	routes    func() destinations   // of a route configuration or virtual host: read once, when they are needed
}

// destinations returns the routes of a resource and the clusters that they name.
func (r *Resource) destinations() destinations {
	if r == nil || r.routes == nil {
		return nil
	}
	return r.routes()
}

// Body returns the marshalled message. It is shared: do not change it.
func (r *Resource) Body() *anypb.Any { return r.wire.GetResource() }

// set holds the resources of one kind.
type set struct {
	byName  map[string]*Resource
	names   []string // sorted
	version string   // hash over all names and versions
}

// Snapshot is what the Envoys of one fleet should have. It is immutable, and safe for use by many goroutines.
type Snapshot struct {
	fleet    string
	revision string
	version  string
	sets     [kinds]set
	hosts    map[string][]string  // route configuration -> names of its virtual hosts, sorted
	bare     *Snapshot            // the same without secrets; nil where it has none
	zones    map[string]*Snapshot // the same for nodes of a zone; none: as it is
}

// NewSnapshot marshals and hashes the resources of a fleet. The revision is a label that is passed on to Nodes and to
// nobody else. A message that is no resource type of Types, that lacks a name or shares it with another of its type, or a
// virtual host whose name is not ROUTE-CONFIGURATION/ANYTHING is an error; all of them are reported in one.
func NewSnapshot(fleet, revision string, items []Item) (*Snapshot, error) {
	return NewSnapshotAfter(nil, fleet, revision, items)
}

// NewSnapshotAfter is NewSnapshot where most messages may be those of prev, the same values in memory: the resources that
// were made from them are taken over. prev may be nil.
func NewSnapshotAfter(prev *Snapshot, fleet, revision string, items []Item) (*Snapshot, error) {
	if prev == nil {
		prev = &Snapshot{}
	}
	s := &Snapshot{fleet: fleet, revision: revision, hosts: map[string][]string{}}
	for k := range s.sets {
		s.sets[k].byName = map[string]*Resource{}
	}
	var faults []error
	for _, item := range items {
		if err := s.add(item, prev); err != nil {
			faults = append(faults, fmt.Errorf("fleet %s: %s: %w", fleet, item.Origin, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	s.seal()
	return s, nil
}

// complete adds an empty list for clusters that lack their endpoints: Envoy would wait for it, and hold up the others.
func (s *Snapshot) complete() error {
	for _, c := range s.sets[clusters].byName {
		if c.endpoints == "" || s.sets[endpoints].byName[c.endpoints] != nil {
			continue
		}
		r, err := newResource(endpoints, Item{Message: &endpointv3.ClusterLoadAssignment{ClusterName: c.endpoints}, Origin: c.Origin})
		if err != nil {
			return fmt.Errorf("fleet %s: %s: %w", s.fleet, c.Origin, err)
		}
		s.sets[endpoints].byName[r.Name] = r
	}
	return nil
}

// add puts one resource into its set.
func (s *Snapshot) add(item Item, prev *Snapshot) error {
	k, ok := kindOfMessage(item.Message)
	if !ok {
		return fmt.Errorf("%s is no resource type of xDS", item.Message.ProtoReflect().Descriptor().FullName())
	}
	r := prev.sets[k].byName[nameOf(item.Message)]
	if r == nil || r.message != item.Message || r.Origin != item.Origin {
		var err error
		if r, err = newResource(k, item); err != nil {
			return err
		}
	}
	if _, twice := s.sets[k].byName[r.Name]; twice {
		return fmt.Errorf("two resources of type %s are named %q", k.url(), r.Name)
	}
	if k == virtualHosts {
		config := routeConfigOf(r.Name)
		if config == "" {
			return fmt.Errorf("virtual host %q is not named ROUTE-CONFIGURATION/NAME", r.Name)
		}
		s.hosts[config] = append(s.hosts[config], r.Name)
	}
	s.sets[k].byName[r.Name] = r
	return nil
}

// seal sorts the names and derives the versions of the sets and of the whole.
func (s *Snapshot) seal() {
	for k := range s.sets {
		all := &s.sets[k]
		for name := range all.byName {
			all.names = append(all.names, name)
		}
		slices.Sort(all.names)
		all.seal()
	}
	s.sealWhole()
	for _, names := range s.hosts {
		slices.Sort(names)
	}
	s.strip()
	s.placing()
}

// seal derives the version of a set whose names are in order.
func (all *set) seal() {
	sum := sha256.New()
	var line []byte
	for _, name := range all.names {
		r := all.byName[name]
		line = append(append(strconv.AppendQuote(line[:0], name), ' '), r.Version...)
		for _, zone := range slices.Sorted(maps.Keys(r.zoned)) {
			line = append(append(strconv.AppendQuote(line, zone), ' '), r.zoned[zone].Version...)
		}
		sum.Write(append(line, '\n'))
	}
	all.version = hex.EncodeToString(sum.Sum(nil)[:versionBytes])
}

// sealWhole derives the version of the whole from those of the sets.
func (s *Snapshot) sealWhole() {
	whole := sha256.New()
	for k := range s.sets {
		fmt.Fprintln(whole, s.sets[k].version)
	}
	s.version = hex.EncodeToString(whole.Sum(nil)[:versionBytes])
}

// newResource marshals a message deterministically and hashes the bytes.
func newResource(k kind, item Item) (*Resource, error) {
	name := nameOf(item.Message)
	if name == "" || name == "*" {
		return nil, fmt.Errorf("a resource of type %s is named %q", k.url(), name)
	}
	r, err := marshal(k, name, item.Message)
	if err != nil {
		return nil, err
	}
	r.Origin, r.message = item.Origin, item.Message
	for zone, m := range item.Zoned {
		form, err := newResource(k, Item{Message: m, Origin: item.Origin})
		if err != nil {
			return nil, err
		}
		if r.zoned == nil {
			r.zoned = map[string]*Resource{}
		}
		r.zoned[zone] = form
	}
	if k == routeConfigs || k == virtualHosts {
		r.routes = sync.OnceValue(func() destinations { return destinationsOf(item.Message) })
	}
	if e, ok := item.Message.(*endpointv3.ClusterLoadAssignment); ok {
		r.unknown = len(e.GetEndpoints()) == 0
	}
	if c, ok := item.Message.(*clusterv3.Cluster); ok && c.GetType() == clusterv3.Cluster_EDS {
		r.endpoints = name
		// Health checks, and secrets of its transport sockets, would have to be waited for.
		r.eased = len(c.GetHealthChecks()) == 0 && c.GetTransportSocket() == nil && len(c.GetTransportSocketMatches()) == 0
		if service := c.GetEdsClusterConfig().GetServiceName(); service != "" {
			r.endpoints = service
		}
	}
	return r, nil
}

// nameOf returns the name that a resource message gives itself. Envoy looks a virtual host up by this name when it is to be
// removed (envoy-facts 1), so a resource never has another one.
func nameOf(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetClusterName() string }:
		return m.GetClusterName()
	case interface{ GetName() string }:
		return m.GetName()
	}
	return ""
}

// Fleet returns the fleet whose Envoys get this snapshot.
func (s *Snapshot) Fleet() string { return s.fleet }

// Revision returns the label that was given to NewSnapshot.
func (s *Snapshot) Revision() string { return s.revision }

// Version returns the content hash of the whole snapshot. The fleet, the revision and the origins are not part of it.
func (s *Snapshot) Version() string { return s.version }

// Resources returns all resources of a type in the order of their names; none for a type that is not in Types.
func (s *Snapshot) Resources(typeURL string) []*Resource {
	k, ok := kindOf(typeURL)
	if !ok {
		return nil
	}
	all := make([]*Resource, 0, len(s.sets[k].names))
	for _, name := range s.sets[k].names {
		all = append(all, s.sets[k].byName[name])
	}
	return all
}

// get returns a resource, or nil.
func (s *Snapshot) get(k kind, name string) *Resource { return s.sets[k].byName[name] }
