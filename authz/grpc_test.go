package authz_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse/gatehouse/internal/needs"
)

// TestCheckOverGRPC serves on a Unix socket, as Gatehouse does, and asks from many goroutines over one connection.
func TestCheckOverGRPC(t *testing.T) {
	service, allowed := ready(t)
	rules := quickstart(t).Routes[0].Rules
	socket := filepath.Join(needs.SocketDir(t), "authz.sock")
	serve(t, service, socket)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	client := authv3.NewAuthorizationClient(conn)
	cases := []struct {
		check *authv3.CheckRequest
		want  int
	}{
		{allowed, 200},
		{envoyCheck(t, rules, "GET", "/payments/bob", aliceClaims()), 403},
		{envoyCheck(t, rules, "GET", "/payments/bob", map[string]any{"iss": "https://id.nordhaven.test", "sub": "tina", "role": "teller"}), 200},
		{envoyCheck(t, rules, "POST", "/payments/alice", aliceClaims()), 403},
		{envoyCheck(t, rules, "POST", "/payments/alice", map[string]any{"iss": "https://id.nordhaven.test", "sub": "alice", "scope": "payments:write"}), 200},
		{envoyCheck(t, rules, "GET", "/payments/alice", nil), 401},
		{envoyCheck(t, "old", "GET", "/payments/alice", aliceClaims()), 503},
		{&authv3.CheckRequest{}, 503},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for range 16 {
		group.Go(func() error {
			for i := range 25 * len(cases) {
				c := cases[i%len(cases)]
				response, err := client.Check(ctx, c.check, grpc.WaitForReady(true))
				if err != nil {
					return err
				}
				got := 200
				if denied := response.GetDeniedResponse(); denied != nil {
					got = int(denied.GetStatus().GetCode())
				}
				if got != c.want {
					t.Errorf("case %d was answered %d, want %d", i%len(cases), got, c.want)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
