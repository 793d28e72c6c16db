package gateway_test

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

func fault(object gateway.Ref) gateway.Faults {
	return gateway.Faults{{Code: gateway.CodeBadValue, Object: object, Message: "bad"}}
}

func TestQuarantineWithoutLive(t *testing.T) {
	docs := bank(t)
	out, shared, done := gateway.Quarantine(docs, nil, fault(docs.APIs[0].Ref()))
	if len(shared) != 0 || len(done) != 1 || done[0].With != "503" {
		t.Fatalf("shared %v, done %v", shared, done)
	}
	rev := assemble(t, out)
	if len(rev.Routes) != 2 || rev.Routes[0].Action != gateway.ActionDown || rev.Routes[0].Match.Path.String() != "/payments/**" {
		t.Errorf("routes: %v", names(rev))
	}
	if docs.APIs[0].Down {
		t.Error("the documents themselves were changed")
	}
}

func TestQuarantineUnreadable(t *testing.T) {
	docs := bank(t)
	docs.APIs[0].Faulty, docs.APIs[0].Expose = true, nil
	out, _, done := gateway.Quarantine(docs, nil, fault(docs.APIs[0].Ref()))
	if len(done) != 1 || done[0].With != "nothing" || len(assemble(t, out).Routes) != 1 {
		t.Errorf("done %v", done)
	}
}

// TestQuarantineKeepsTheLastGoodVersion changes an API and its policy, both badly: the old API with its old policy stays.
func TestQuarantineKeepsTheLastGoodVersion(t *testing.T) {
	live := assemble(t, bank(t))
	docs := bank(t)
	docs.Policies = nil
	docs.Broken = map[gateway.Ref]bool{{Kind: gateway.KindPolicy, Name: "bank.payments"}: true}
	docs.APIs[0].Expose[0].Base = "/pay"
	out, shared, done := gateway.Quarantine(docs, live, fault(gateway.Ref{Kind: gateway.KindPolicy, Name: "bank.payments"}))
	if len(shared) != 0 || len(done) != 1 || done[0].With != "last good version" {
		t.Fatalf("shared %v, done %v", shared, done)
	}
	rev := assemble(t, out)
	if rev.Routes[0].Match.Path.String() != "/payments/{id}" || rev.Routes[0].Rules != live.Routes[0].Rules {
		t.Errorf("the held API is not what it was: %v", names(rev))
	}
	// The next reload is as bad, and starts from what is served now.
	again, _, _ := gateway.Quarantine(docs, rev, fault(docs.APIs[0].Ref()))
	if third := assemble(t, again); third.Routes[0].Rules != live.Routes[0].Rules {
		t.Error("a held API does not survive the next reload")
	}
}

func TestQuarantineSparesWhatIsShared(t *testing.T) {
	docs := bank(t)
	docs.APIs[1].To[0].Upstream = "payments"
	for _, object := range []gateway.Ref{
		{Kind: gateway.KindUpstream, Name: "payments"},
		{Kind: gateway.KindIssuer, Name: "nordhaven"},
		{Kind: gateway.KindGateway, Name: "edge"},
		{},
	} {
		out, shared, done := gateway.Quarantine(docs, nil, fault(object))
		if len(shared) != 1 || len(done) != 0 || !slices.Equal(out.APIs, docs.APIs) {
			t.Errorf("%v: shared %v, done %v", object, shared, done)
		}
	}
}

// TestQuarantineTakesTodaysKeys changes an issuer's keys while an API is held at its last good version.
func TestQuarantineTakesTodaysKeys(t *testing.T) {
	docs := bank(t)
	docs.Issuers[0].KeySet = []byte("old")
	live := assemble(t, docs)
	docs = bank(t)
	docs.Issuers[0].KeySet = []byte("new")
	docs.Policies[0].Source = "package changed"
	out, _, _ := gateway.Quarantine(docs, live, fault(docs.APIs[0].Ref()))
	route := assemble(t, out).Routes[0]
	if keys := string(route.Ways[0][0].Issuer.KeySet); keys != "new" {
		t.Errorf("the held API accepts tokens by the %s keys", keys)
	}
	if source := route.Authorize[0].Policy.Source; source != "package bank.payments" {
		t.Errorf("the held API decides by %q", source)
	}
}
