package authz_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// paymentService are the descriptors of bank.v1.Payments, whose method Pay takes a payee and an amount.
func paymentService() *descriptorpb.FileDescriptorSet {
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(number), Type: kind.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: new("bank/v1/payments.proto"), Package: new("bank.v1"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("PayRequest"), Field: []*descriptorpb.FieldDescriptorProto{
			field("payee_name", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING), field("amount", 2, descriptorpb.FieldDescriptorProto_TYPE_INT32),
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Payments"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: new("Pay"), InputType: new(".bank.v1.PayRequest"), OutputType: new(".bank.v1.PayRequest"),
		}}}},
	}}}
}

// framed is a payment as gRPC sends it.
func framed(t testing.TB, payee string, amount int32) []byte {
	t.Helper()
	files, err := protodesc.NewFiles(paymentService())
	if err != nil {
		t.Fatal(err)
	}
	found, err := files.FindDescriptorByName("bank.v1.PayRequest")
	if err != nil {
		t.Fatal(err)
	}
	kind, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		t.Fatal(found)
	}
	message := dynamicpb.NewMessage(kind)
	message.Set(kind.Fields().ByName("payee_name"), protoreflect.ValueOfString(payee))
	message.Set(kind.Fields().ByName("amount"), protoreflect.ValueOfInt32(amount))
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

func TestGRPCBodies(t *testing.T) {
	set, err := proto.Marshal(paymentService())
	if err != nil {
		t.Fatal(err)
	}
	policy := &gateway.Policy{Name: "p", Descriptors: set, Source: `package a
allow := {"allowed": false, "reason": sprintf("%v %v", [input.parsed_body, input.truncated_body])}`}
	route := publicRoute("r")
	route.Authorize = []gateway.AppliedPolicy{{Policy: policy}}
	service := newService(patient)
	service.Use(compiled(t, revision(route), nil))
	whole := framed(t, "Nordhaven", 12)
	for name, test := range map[string]struct {
		path   string
		body   []byte
		status int
		want   string
	}{
		"whole":        {"/bank.v1.Payments/Pay", whole, 403, `{\"amount\": 12, \"payeeName\": \"Nordhaven\"} false`},
		"empty":        {"/bank.v1.Payments/Pay", []byte{0, 0, 0, 0, 0}, 403, `{} false`},
		"cut off":      {"/bank.v1.Payments/Pay", whole[:8], 403, "null true"},
		"no frame":     {"/bank.v1.Payments/Pay", whole[:3], 403, "null false"},
		"compressed":   {"/bank.v1.Payments/Pay", append([]byte{1}, whole[1:]...), 403, "null false"},
		"other method": {"/bank.v1.Payments/Refund", whole, 403, "null false"},
		"other kind":   {"/bank.v1.PayRequest/Pay", whole, 403, "null false"},
		"no method":    {"/bank", whole, 403, "null false"},
		"garbage":      {"/bank.v1.Payments/Pay", []byte{0, 0, 0, 0, 2, 0xff, 0xff}, 400, "not the message"},
	} {
		t.Run(name, func(t *testing.T) {
			check := envoyCheck(t, "r", "POST", test.path, nil)
			check.Attributes.Request.Http.Headers["content-type"] = "application/grpc"
			check.Attributes.Request.Http.RawBody = test.body
			if status, body := ask(t, service, check); status != test.status || !strings.Contains(body, strings.ReplaceAll(test.want, `\"`, `"`)) {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.want)
			}
		})
	}
}

func TestDescriptorsFail(t *testing.T) {
	set := paymentService()
	set.File[0].Dependency = []string{"google/type/money.proto"}
	lacking, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	for want, descriptors := range map[string][]byte{"they are no FileDescriptorSet": []byte("syntax"), "--include_imports": lacking} {
		route := publicRoute("r", "package a\nallow := true")
		route.Authorize[0].Policy.Descriptors = descriptors
		if _, faults := authz.Compile(revision(route), nil); len(faults) != 1 || !strings.Contains(faults[0].Message, want) {
			t.Errorf("got faults %v, want one that says %s", faults, want)
		}
	}
}

func FuzzGRPCBody(f *testing.F) {
	set, err := proto.Marshal(paymentService())
	if err != nil {
		f.Fatal(err)
	}
	route := publicRoute("r", "package a\nallow if input.parsed_body.amount == 1")
	route.Authorize[0].Policy.Descriptors = set
	service := newService(patient)
	service.Use(compiled(f, revision(route), nil))
	f.Add("/bank.v1.Payments/Pay", framed(f, "x", 1))
	f.Add("/bank.v1.Payments/Pay", []byte{0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		check := envoyCheck(t, "r", "POST", path, nil)
		check.Attributes.Request.Http.Headers["content-type"] = "application/grpc"
		check.Attributes.Request.Http.RawBody = body
		sound(t, service, check)
	})
}
