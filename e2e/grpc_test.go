//go:build e2e

package e2e_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// call makes a gRPC call to a path with headers given as "name: value", and returns how it ended.
func (w *world) call(path string, headers ...string) *status.Status {
	w.t.Helper()
	conn, err := grpc.NewClient("passthrough:///127.0.0.1:"+w.values["PORT"],
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("api.bank.test"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	return status.Convert(conn.Invoke(ctx, path, &emptypb.Empty{}, &emptypb.Empty{}))
}

// TestGRPCCallers holds that whoever calls by gRPC is refused by gRPC: a code that its library understands, and a message
// in words, no document.
func TestGRPCCallers(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t, "testdata/answers")
	alice := token(t, map[string]any{"sub": "alice"})
	if got := w.call("/limited/grpc", "x-caller: grpc"); got.Code() == codes.ResourceExhausted {
		t.Errorf("the first call: %v", got)
	}
	refusals := []struct {
		what    string
		path    string
		headers []string
		code    codes.Code
		message string
	}{
		{"no token", "/payments/alice", nil, codes.Unauthenticated, "Jwt is missing"},
		{"no token", "/payments/alice", []string{token(t, map[string]any{"exp": 1})}, codes.Unauthenticated, "Jwt is expired"},
		{"another audience", "/payments/alice", []string{token(t, map[string]any{"aud": "cards"})}, codes.Unauthenticated, "Audiences in Jwt are not allowed"},
		{"the policy denies", "/payments/bob", []string{alice}, codes.PermissionDenied, "A policy denied the request."},
		{"no scope", "/payments/alice/audit", []string{alice}, codes.PermissionDenied, `forbidden (scope="audit")`},
		{"the method is not listed", "/payments/alice/latest", []string{alice}, codes.Unknown, "no operation can take this request"},
		{"the path is not listed", "/payments/a/b/c", []string{alice}, codes.Unimplemented, "no operation can take this request"},
		{"nothing is there", "/bank.Payments/Pay", nil, codes.Unimplemented, "no operation can take this request"},
		{"the limit is reached", "/limited/grpc", []string{"x-caller: grpc"}, codes.ResourceExhausted, "a limit is reached"},
		{"quarantined", "/quarantined", nil, codes.Unavailable, "the configuration of this API has faults"},
		{"the upstream is gone", "/gone", nil, codes.Unavailable, "upstream connect error"},
	}
	for _, r := range refusals {
		got := w.call(r.path, r.headers...)
		if got.Code() != r.code || !strings.Contains(got.Message(), r.message) || strings.ContainsAny(got.Message(), "{}\n") {
			t.Errorf("%s: %v %q, want %v %q", r.what, got.Code(), got.Message(), r.code, r.message)
		}
	}
	w.stopServer()
	for path, message := range map[string]string{
		"/payments/alice": "authorization cannot be asked at the moment", "/limited/away": "limits cannot be asked at the moment",
	} {
		if got := w.call(path, alice); got.Code() != codes.Unavailable || got.Message() != message {
			t.Errorf("%s while Gatehouse is away: %v %q, want %q", path, got.Code(), got.Message(), message)
		}
	}
}
