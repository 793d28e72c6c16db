package check_test

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse/gatehouse/authz/check"
)

// usual is what an Envoy asks about a request with a verified token.
func usual(tb testing.TB) *authv3.CheckRequest {
	tb.Helper()
	claims, err := structpb.NewStruct(map[string]any{"verified": map[string]any{
		"iss": "https://login.nordhaven.test", "sub": "alice", "aud": []any{"payments", "accounts"}, "role": "customer",
		"scope": "payments:read", "exp": 1795449600, "iat": 1795446000, "nbf": nil, "mfa": true,
	}})
	if err != nil {
		tb.Fatal(err)
	}
	address := func(ip string, port uint32) *corev3.Address {
		return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		}}}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      &authv3.AttributeContext_Peer{Address: address("127.0.0.1", 40000), Principal: "spiffe://bank.test/till"},
		Destination: &authv3.AttributeContext_Peer{Address: address("127.0.0.1", 8080)},
		Request: &authv3.AttributeContext_Request{
			Time: &timestamppb.Timestamp{Seconds: 1795446001, Nanos: 42},
			Http: &authv3.AttributeContext_HttpRequest{
				Id: "4711", Method: "GET", Path: "/payments/alice?limit=10", Host: "api.bank.test", Scheme: "http", Protocol: "HTTP/1.1", Size: -1,
				Headers: map[string]string{
					":authority": "api.bank.test", ":method": "GET", ":path": "/payments/alice?limit=10", ":scheme": "http",
					"authorization": "Bearer header.payload.signature", "x-request-id": "6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1",
					"x-forwarded-proto": "http", "user-agent": "bank-app/7.1", "accept": "*/*", "x-forwarded-for": "127.0.0.1",
				},
			},
		},
		ContextExtensions: map[string]string{"rules": "c0ffee", "limits": "spend"},
		MetadataContext:   &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.jwt_authn": claims}},
	}}
}

// everything has every field of every message set, as far as one message can.
func everything(tb testing.TB) []*authv3.CheckRequest {
	tb.Helper()
	packed, err := anypb.New(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("x")}})
	if err != nil {
		tb.Fatal(err)
	}
	full := usual(tb)
	fill(tb, full.ProtoReflect(), 0)
	full.Attributes.MetadataContext.TypedFilterMetadata = map[string]*anypb.Any{"typed": packed}
	piped, internal := proto.CloneOf(full), proto.CloneOf(full)
	piped.Attributes.Source.Address.Address = &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/run/x.sock", Mode: 0o600}}
	piped.Attributes.Request.Http.Headers = nil
	piped.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "a", RawValue: []byte{0xff}}}}
	internal.Attributes.Destination.Address.Address = &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
		AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: "inner"}, EndpointId: "1",
	}}
	named := proto.CloneOf(full)
	named.Attributes.Source.Address.GetSocketAddress().PortSpecifier = &corev3.SocketAddress_NamedPort{NamedPort: "https"}
	large := proto.CloneOf(full)
	large.Attributes.Request.Http.Body = string(make([]byte, 100_000))
	return []*authv3.CheckRequest{{}, usual(tb), full, piped, internal, named, large}
}

// fill sets whatever field is not set.
func fill(tb testing.TB, m protoreflect.Message, depth int) {
	tb.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && m.WhichOneof(f.ContainingOneof()) != nil && !m.Has(f) {
			continue
		}
		switch {
		case f.IsMap():
			if f.MapValue().Kind() == protoreflect.StringKind {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfString("v"))
			} else if f.MapValue().Message().FullName() == "google.protobuf.Struct" {
				s, _ := structpb.NewStruct(map[string]any{"n": 1.5, "l": []any{nil, true, map[string]any{"x": "y"}}})
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfMessage(s.ProtoReflect()))
			}
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind:
			if depth < 8 {
				fill(tb, m.Mutable(f).Message(), depth+1)
			}
		case m.Has(f):
		default:
			m.Set(f, some(f))
		}
	}
}

func some(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("text of " + string(f.Name()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0, 0xff})
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(7)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(-7)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-7)
	}
	return f.Default()
}

// TestEveryField holds that no field is lost or mixed up, whatever the version of Envoy's types: one that is new and not read fails it.
func TestEveryField(t *testing.T) {
	t.Parallel()
	for i, want := range everything(t) {
		data, err := proto.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got check.Request
		if err := got.ReadWire(data); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		clear(data) // It may be used again for the next message.
		if diff := cmp.Diff(want, &got.CheckRequest, protocmp.Transform()); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", i, diff)
		}
	}
}

// FuzzRequest holds that whatever comes is read as package proto reads it, or refused where that refuses it.
func FuzzRequest(f *testing.F) {
	for _, m := range everything(f) {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) > 4<<10 { // Mutating it takes all the time there is.
			continue
		}
		f.Add(data)
		f.Add(append(data, data...)) // What comes twice is merged.
	}
	f.Add(protowire.AppendVarint(nil, 1<<35|2))
	f.Add([]byte{0x0b, 0x0c})                               // A group.
	f.Add([]byte{0x0a, 0x04, 0x52, 0x02, 0x0a, 0x00})       // An empty name.
	f.Add([]byte{0x0a, 0x05, 0x52, 0x03, 0x0a, 0x01, 0xff}) // No UTF-8.
	f.Add(nested(20))
	f.Fuzz(func(t *testing.T, data []byte) {
		want := &authv3.CheckRequest{}
		wrong := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, want)
		var got check.Request
		err := got.ReadWire(data)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("error %v, package proto's %v", err, wrong)
		}
		if err == nil && !proto.Equal(want, &got.CheckRequest) {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, &got.CheckRequest, protocmp.Transform()))
		}
	})
}

// nested returns a request whose metadata nest so many lists.
func nested(depth int) []byte {
	v := structpb.NewNullValue()
	for range depth {
		v = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	data, _ := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{MetadataContext: &corev3.Metadata{
		FilterMetadata: map[string]*structpb.Struct{"": {Fields: map[string]*structpb.Value{"": v}}},
	}}})
	return data
}

// TestTooDeep holds that what nests too deep is refused before the stack grows without bound, at the depth of package proto.
func TestTooDeep(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{4995, 4996, 4997, 4998, 4999, 5000, 5001, 20_000} {
		data := nested(depth)
		var got check.Request
		want := proto.Unmarshal(data, &authv3.CheckRequest{})
		if err := got.ReadWire(data); (err == nil) != (want == nil) {
			t.Errorf("%d lists: error %v, package proto's %v", depth, err, want)
		}
	}
}

// TestRequestAllocates holds the reading of a usual request to a budget.
func TestRequestAllocates(t *testing.T) {
	data, err := proto.Marshal(usual(t))
	if err != nil {
		t.Fatal(err)
	}
	const budget = 26
	got := testing.AllocsPerRun(100, func() {
		if err := new(check.Request).ReadWire(data); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations, the budget is %d", got, budget)
	if got > budget {
		t.Errorf("%.0f allocations, the budget is %d", got, budget)
	}
}

func BenchmarkRequest(b *testing.B) {
	data, err := proto.Marshal(usual(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := new(check.Request).ReadWire(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by reflection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(data, &authv3.CheckRequest{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
