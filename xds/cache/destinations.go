package cache

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// destinations are the routes of a route configuration or virtual host by their names, each with the clusters to which it sends
// requests; routes of one name are taken as one.
type destinations map[string][]string

// destinationsOf reads the destinations of a resource. Routes may stand deep in a matcher, wrapped (envoy-facts 2). Clusters that a route
// names in a header's value only are not known.
func destinationsOf(m proto.Message) destinations {
	n := destinations{}
	n.walk(m.ProtoReflect())
	return n
}

func (n destinations) walk(m protoreflect.Message) {
	switch m := m.Interface().(type) {
	case *routev3.Route:
		n.add(m)
		return
	case *anypb.Any:
		n.unwrap(m)
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				n.walk(v.Message())
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				n.walk(value.List().Get(i).Message())
			}
		case !field.IsMap() && field.Message() != nil:
			n.walk(value.Message())
		}
		return true
	})
}

// unwrap reads an action of a matcher: a route or a list of them. Other extensions name no clusters that could be cold.
func (n destinations) unwrap(a *anypb.Any) {
	if !strings.HasPrefix(a.GetTypeUrl(), typePrefix+"envoy.config.route.v3.") {
		return
	}
	if inner, err := a.UnmarshalNew(); err == nil {
		n.walk(inner.ProtoReflect())
	}
}

func (n destinations) add(r *routev3.Route) {
	names := n[r.GetName()]
	if name := r.GetRoute().GetCluster(); name != "" {
		names = append(names, name)
	}
	for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
		names = append(names, c.GetName())
	}
	n[r.GetName()] = names
}
