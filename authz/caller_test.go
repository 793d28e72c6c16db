package authz_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestCaller answers an Envoy whose connection proves its fleet for that fleet's routes alone, with a refusal and never an
// error; what a route of two fleets carries, for both; and what a fleet had a moment ago, still.
func TestCaller(t *testing.T) {
	t.Parallel()
	var (
		fleet string
		known bool
		wrong error
	)
	s := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Caller: func(context.Context) (string, bool, error) {
		return fleet, known, wrong
	}})
	of := func(fleet string) *gateway.Route {
		r := publicRoute("pay", "package bank.pay\nallow := true")
		r.Gateway = &gateway.Gateway{Name: fleet, Fleet: fleet}
		return r
	}
	rules := of("edge").Rules
	refused := uint64(0)
	check := func(when string, good bool) {
		t.Helper()
		answer, err := s.Check(t.Context(), envoyCheck(t, rules, "GET", "/", nil))
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := answer.GetStatus().GetCode() == int32(codes.OK); got != good {
			t.Errorf("%s: allowed is %v: %v", when, got, answer)
		}
		if !good {
			refused++
			if status := answer.GetDeniedResponse().GetStatus().GetCode(); status != 503 {
				t.Errorf("%s: status %d, want 503", when, status)
			}
		}
		if n := s.Counts().Strangers; n != refused {
			t.Errorf("%s: %d strangers counted, want %d", when, n, refused)
		}
	}
	s.Use(compiled(t, revision(of("edge")), nil))
	check("on a socket", true)
	fleet, known = "edge", true
	check("the route's fleet", true)
	fleet = "vault"
	check("another fleet", false)
	wrong = errors.New("it says to be another")
	check("a call that contradicts its connection", false)
	wrong = nil
	s.Use(compiled(t, revision(of("edge"), of("vault")), nil))
	check("a route of both fleets", true)
	s.Use(compiled(t, revision(of("edge")), nil))
	check("a route that it had a moment ago", true)
	for i := range 50 {
		r := of("edge")
		r.Origin.Line = i
		s.Use(compiled(t, revision(r), nil))
	}
	check(fmt.Sprint("a route that it had ", 51, " revisions ago"), false)
}
