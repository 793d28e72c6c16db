//go:build e2e

package e2e_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// attempt is a listener of one case with one mistake in it, or with none, and the requests that are tried there.
type attempt struct {
	*mutation  // nil: no mistake.
	goldenCase *goldenCase
	socket     string
	probes     []probe
}

func (a *attempt) String() string {
	if a.mutation == nil {
		return a.goldenCase.name + ": no mistake"
	}
	return a.goldenCase.name + ": " + a.name
}

// run tries all requests, while Gatehouse answers or while it is away.
func (a *attempt) run(t *testing.T, away bool) {
	t.Helper()
	forged := suderbank().token(t, map[string]any{"iss": nordhaven().issuer, "sub": "alice"})
	for _, p := range a.probes {
		if a.mutation == nil {
			for what, headers := range p.insufficient(t) {
				if got := a.status(t, p, headers); !refused(got) {
					t.Errorf("%s: %s %s with a token %s gets %d (away: %v)", a, p.method, p.url, what, got, away)
				}
			}
		}
		for i, stranger := range p.strangers(forged) {
			got := a.status(t, p, stranger)
			if want := a.strangerGets(p.route, away); !want(got) {
				t.Errorf("%s: %s %s of stranger %d gets %d (away: %v)", a, p.method, p.url, i+1, got, away)
			}
		}
		got := a.status(t, p, p.proven(t))
		if want := a.callerGets(p.route, away); !want(got) {
			t.Errorf("%s: %s %s with all proofs gets %d (away: %v)", a, p.method, p.url, got, away)
		}
	}
}

func (a *attempt) status(t *testing.T, p probe, headers http.Header) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := p.send(ctx, a.socket, headers)
	if err != nil {
		t.Fatalf("%s: %s %s: %v", a, p.method, p.url, err)
	}
	return status
}

// strangerGets returns what must hold of the status for a caller who proves nothing.
func (a *attempt) strangerGets(r *gateway.Route, away bool) func(int) bool {
	guarded := !r.Public || r.CallsAuthorization() || len(r.Require) > 0
	others := r.TakesToken() || r.CallsAuthorization()
	switch {
	case a.mutation != nil && a.alone && !others, slices.ContainsFunc(r.Ways, anonymous):
		return anything
	case away && r.Public && r.CheckAway() == gateway.Open && a.mutation == nil:
		return passes(r)
	case away && r.Public && r.CheckAway() == gateway.Open:
		return anything
	case guarded || a.mutation != nil && a.evidence:
		return refused
	case a.mutation == nil && !away:
		return passes(r)
	}
	return anything
}

// callerGets returns what must hold of the status for a caller who proves all that the route asks for.
func (a *attempt) callerGets(r *gateway.Route, away bool) func(int) bool {
	closed := r.CallsAuthorization() && r.CheckAway() == gateway.Closed ||
		r.CallsLimits() && r.WhenAway.Limits == gateway.Closed
	nowhere := func(q gateway.Requirement) bool { return len(q.Addresses) > 0 } // Who comes by a socket has no address.
	switch {
	case away && closed, a.mutation == nil && slices.ContainsFunc(r.Require, nowhere):
		return refused
	case a.mutation != nil && slices.ContainsFunc(r.Ways, anonymous):
		return anything
	case a.mutation == nil:
		return passes(r)
	case a.evidence && (!away || r.CheckAway() != gateway.Open):
		return refused
	}
	return anything
}

// anonymous reports whether a way is to be nobody in particular.
func anonymous(w gateway.Way) bool {
	return slices.ContainsFunc(w, func(p gateway.ResolvedProof) bool { return p.Kind == gateway.ByNobody })
}

// passes returns what must hold of the status of a request that the route serves.
func passes(r *gateway.Route) func(int) bool {
	want := http.StatusOK
	switch {
	case r.Shaping.Addresses != nil && len(r.Shaping.Addresses.Allow) > 0: // Who comes by a socket has no address.
		want = http.StatusForbidden
	case r.Shaping.Transcoding != nil: // No method of gRPC is meant.
		want = http.StatusNotFound
	case r.Redirect != nil:
		want = r.Redirect.Status
	case r.Respond != nil:
		want = r.Respond.Status
	}
	return func(status int) bool { return status == want }
}

func anything(int) bool { return true }

// refused reports whether a status is a refusal for lack of proof, and not some mistake of the test.
func refused(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
		return true
	}
	return false
}
