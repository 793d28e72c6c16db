package translate

import (
	_ "embed"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// queryScript is the one program by which queries are changed; a route says what is changed (ADR 66).
//
//go:embed query.lua
var queryScript string

// queryChanger returns the filter that runs it. The route stays the one that was chosen and decided about.
func queryChanger() *luav3.Lua {
	return &luav3.Lua{
		DefaultSourceCode: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: queryScript}},
		ClearRouteCache:   wrapperspb.Bool(false),
		StatPrefix:        "query",
	}
}

// changingQuery returns what is changed of the queries of a route.
func changingQuery(c *gateway.QueryChanges, r *gateway.Route) *luav3.LuaPerRoute {
	gone := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, name := range c.Remove {
		gone.Fields[name] = structpb.NewBoolValue(true)
	}
	written := &structpb.ListValue{}
	write := func(p gateway.Parameter) {
		written.Values = append(written.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"name": structpb.NewStringValue(p.Name), "value": structpb.NewListValue(queryValue(p.Value, r)),
		}}))
	}
	for _, p := range c.Set {
		gone.Fields[p.Name] = structpb.NewBoolValue(true)
		write(p)
	}
	for _, p := range c.Add {
		write(p)
	}
	return &luav3.LuaPerRoute{FilterContext: &structpb.Struct{Fields: map[string]*structpb.Value{
		"gone": structpb.NewStructValue(gone), "written": structpb.NewListValue(written),
	}}}
}

// queryValue returns the parts of a value as the program reads them: a text, a header of the request, or the client's address.
func queryValue(parts []gateway.HeaderPart, r *gateway.Route) *structpb.ListValue {
	headers := map[gateway.RequestedPart]string{
		gateway.PartRequestID: "x-request-id", gateway.PartRequestHost: ":authority", gateway.PartRequestMethod: ":method",
	}
	out := &structpb.ListValue{}
	add := func(name string, value *structpb.Value) {
		out.Values = append(out.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{name: value}}))
	}
	for _, p := range parts {
		text, constant := constantPart(p.Field, r)
		switch {
		case p.Field == "":
			add("text", structpb.NewStringValue(p.Text))
		case constant:
			add("text", structpb.NewStringValue(text))
		case p.Field == gateway.PartClientAddress:
			add("address", structpb.NewBoolValue(true))
		default:
			add("header", structpb.NewStringValue(headers[p.Field]))
		}
	}
	return out
}
