package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse/gatehouse/server"
)

// TestStandaloneReadsGRPCBodies asks a policy about the message of a gRPC call, by the descriptors that OPA's configuration names,
// and refuses to start with descriptors that are none.
func TestStandaloneReadsGRPCBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(healthv1.File_grpc_health_v1_health_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	message, err := proto.Marshal(&healthv1.HealthCheckRequest{Service: "ledger"})
	if err != nil {
		t.Fatal(err)
	}
	policies := write("authz.rego", []byte(`package envoy.authz
allow := {"allowed": false, "http_status": 200, "body": json.marshal(input.parsed_body)}`))
	config := func(path string) []byte {
		return []byte("plugins: {envoy_ext_authz_grpc: {proto-descriptor: " + path + "}}")
	}
	_, conn, _ := alone(t, server.StandaloneOptions{Policies: policies, OPA: config(write("health.binpb", set))})
	answered(t, conn, "/", "7 null")
	response, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "POST", Path: "/grpc.health.v1.Health/Check", Headers: map[string]string{"content-type": "application/grpc"},
			RawBody: append([]byte{0, 0, 0, 0, byte(len(message))}, message...),
		}},
	}})
	if body := response.GetDeniedResponse().GetBody(); err != nil || body != `{"service":"ledger"}` {
		t.Errorf("the policy saw %q (%v), want the message's service", body, err)
	}
	for _, path := range []string{write("broken.binpb", []byte("\xff")), filepath.Join(dir, "missing.binpb")} {
		_, err := server.NewStandalone(server.StandaloneOptions{Policies: policies, OPA: config(path)})
		if err == nil || !strings.Contains(err.Error(), "proto-descriptor") {
			t.Errorf("%s: got %v, want an error that names the key", filepath.Base(path), err)
		}
	}
}
