package server_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// ref names an object.
func ref(kind gateway.Kind, name string) gateway.Ref { return gateway.Ref{Kind: kind, Name: name} }

// fileOf returns a file of a source as it is stored, "" for none.
func fileOf(t *testing.T, c *admin.Client, source, file string) string {
	t.Helper()
	all, err := c.Documents(t.Context(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Source == source {
			return string(s.Files[file])
		}
	}
	return ""
}

// TestEdits changes single objects by the text of their source, and takes some over from another.
func TestEdits(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	applied(t, c, "shop", together(shopFiles("shop"), shopFiles("bank")))
	edit := func(source string, take bool, edits ...admin.Edit) (admin.Applied, error) {
		return c.Apply(t.Context(), admin.Proposal{Source: source, Edits: edits, TakeOver: take})
	}
	set := admin.Edit{Object: ref(gateway.KindRoute, "shop"), Set: []admin.SetField{{Field: "match.path", Value: "/store"}}}
	a, err := edit("shop", false, set)
	if err != nil || !a.Made {
		t.Fatalf("%+v, %v", a, err)
	}
	expect(t, "changes", []string{"changed Route shop of shop"}, objects(a.Plan.Changes))
	if f := a.Plan.Changes[0].Fields; len(f) != 1 || f[0].Field != "match.path" || f[0].After != "/store" || f[0].Place.Source != "shop" {
		t.Errorf("fields %+v", f)
	}
	want := strings.Replace(string(shopFiles("shop")["routes/shop.yaml"]), "/shop", "/store", 1)
	expect(t, "the text, comments and all", want, fileOf(t, c, "shop", "routes/shop.yaml"))
	if a, err = edit("shop", false, set); err != nil || a.Made {
		t.Errorf("the same again: %+v, %v", a, err)
	}

	_, err = edit("cli", false, set)
	if faulty, ok := errors.AsType[*admin.FaultyError](err); !ok || faulty.Faults[0].Code != gateway.CodeForeignSource {
		t.Errorf("what another source has: %v", err)
	}
	set.Set[0].Value = "/mall"
	if a, err = edit("cli", true, set); err != nil || !a.Made {
		t.Fatalf("taken over: %+v, %v", a, err)
	}
	expect(t, "changes", []string{"changed Route shop of cli"}, objects(a.Plan.Changes))
	if got := fileOf(t, c, "shop", "routes/shop.yaml"); got != "" {
		t.Errorf("the source before still has %q", got)
	}
	expect(t, "the text", strings.Replace(want, "/store", "/mall", 1), fileOf(t, c, "cli", "routes/shop.yaml"))
	if got := routeOf(t, c, "/mall"); got != "forward route/shop" {
		t.Errorf("the path takes %q", got)
	}

	added := "kind: Route\nname: new\nexpose: [{gateway: edge}]\nmatch: {path: /new}\nauthenticate: none\nto: bank\n"
	if a, err = edit("cli", false, admin.Edit{Object: ref(gateway.KindRoute, "new"), Document: added, New: true}); err != nil || routeOf(t, c, "/new") != "forward route/new" {
		t.Errorf("a new object: %+v, %v", a, err)
	}
	_, err = edit("cli", false, admin.Edit{Object: ref(gateway.KindUpstream, "shop"), Remove: true})
	if !errors.Is(err, admin.ErrRefused) {
		t.Errorf("an object of another source removed: %v", err)
	}
	_, err = edit("shop", false, admin.Edit{Object: ref(gateway.KindUpstream, "shop"), Remove: true})
	if faulty, ok := errors.AsType[*admin.FaultyError](err); !ok || faulty.Faults[0].Code != gateway.CodeDangling || faulty.Faults[0].Place.Source != "cli" {
		t.Errorf("an object that another source names: %v", err)
	}
	_, err = edit("cli", false, admin.Edit{Object: ref(gateway.KindRoute, "none"), Remove: true})
	if !errors.Is(err, admin.ErrRefused) {
		t.Errorf("an object that is not there: %v", err)
	}
	if a, err = edit("cli", false, admin.Edit{Object: ref(gateway.KindRoute, "new"), Remove: true}); err != nil || routeOf(t, c, "/new") == "forward route/new" {
		t.Errorf("removed: %+v, %v", a, err)
	}
}

// TestKeptWithoutPrune leaves what the files do not have any more, tells of it, and deletes it when it is told to.
func TestKeptWithoutPrune(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	applied(t, c, "shop", together(shopFiles("shop"), shopFiles("bank")))
	proposal := admin.Proposal{Source: "shop", Files: shopFiles("shop")}
	plan := planned(t, c, proposal)
	expect(t, "kept", []gateway.Ref{ref(gateway.KindRoute, "bank"), ref(gateway.KindUpstream, "bank")}, plan.Kept)
	if len(plan.Changes)+len(plan.Fleets) > 0 {
		t.Errorf("plan %+v", plan)
	}
	a, err := c.Apply(t.Context(), proposal)
	if err != nil || a.Made {
		t.Errorf("%+v, %v", a, err)
	}
	proposal.Prune = true
	plan = planned(t, c, proposal)
	expect(t, "deleted", []string{"deleted Upstream bank of shop", "deleted Route bank of shop"}, objects(plan.Changes))
	if a, err = c.Apply(t.Context(), proposal); err != nil || !a.Made || routeOf(t, c, "/bank") == "forward route/bank" {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = c.Apply(t.Context(), admin.Proposal{Source: "shop", Prune: true}); err != nil || !a.Made {
		t.Errorf("all of it pruned: %+v, %v", a, err)
	}
	if all, err := c.Documents(t.Context(), 0, false); err != nil || len(all) != 1 || all[0].Source != "platform" {
		t.Errorf("left is %+v, %v", all, err)
	}
}

// TestPlanAfterApplyIsEmpty applies, edits, takes over and prunes at random. What was applied changes nothing when it is planned
// again; what is refused changes nothing at all; and each plan names what came out.
func TestPlanAfterApplyIsEmpty(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	content := func() string {
		e, err := c.Entry(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return e.Content
	}
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			p := drawProposal(t)
			before := content()
			plan, err := c.Plan(t.Context(), p)
			if err != nil {
				t.Fatalf("plan: %v", err)
			}
			a, err := c.Apply(t.Context(), p)
			switch {
			case len(plan.Faults) > 0:
				if !errors.Is(err, admin.ErrRefused) || content() != before {
					t.Fatalf("faults were planned (%v), and it came to %+v, %v", plan.Faults, a, err)
				}
				continue
			case err != nil || content() != plan.Result || a.Made != (plan.Result != before):
				t.Fatalf("%+v, %v; planned was %s over %s", a, err, plan.Result, before)
			}
			if len(p.Edits) > 0 {
				continue
			}
			again, err := c.Plan(t.Context(), p)
			if err != nil || len(again.Changes)+len(again.Fleets)+len(again.Routes)+len(again.Faults) > 0 || again.Result != plan.Result {
				t.Fatalf("planned again: %+v, %v", again, err)
			}
		}
	})
}

// drawProposal draws a change of one of three sources, about a few names.
func drawProposal(t *rapid.T) admin.Proposal {
	p := admin.Proposal{
		Source: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "source"), TakeOver: rapid.Bool().Draw(t, "take over"),
	}
	name := rapid.SampledFrom([]string{"n0", "n1", "n2", "n3"})
	if rapid.IntRange(0, 2).Draw(t, "edits") == 0 {
		for _, n := range rapid.SliceOfNDistinct(name, 1, 2, rapid.ID).Draw(t, "names") {
			e := admin.Edit{Object: ref(gateway.KindRoute, n)}
			switch rapid.IntRange(0, 2).Draw(t, "edit") {
			case 0:
				e.Remove = true
			case 1:
				e.Set = []admin.SetField{{Field: "timeout", Value: ""}, {Field: "description", Value: fmt.Sprintf("%q", rapid.StringN(0, 9, 40).Draw(t, "text"))}}
				e.Set = e.Set[1:]
			default:
				e.Document = string(shopFiles(n)["routes/"+n+".yaml"])
			}
			p.Edits = append(p.Edits, e)
		}
		return p
	}
	p.Prune, p.Files = rapid.Bool().Draw(t, "prune"), files{}
	one := rapid.Bool().Draw(t, "one file")
	for _, n := range rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "names") {
		for file, text := range shopFiles(n) {
			if one && len(p.Files["all.yaml"]) > 0 {
				p.Files["all.yaml"] = append(p.Files["all.yaml"], strings.Replace(string(text), "schema: 1\n", "---\n", 1)...)
			} else if one {
				p.Files["all.yaml"] = text
			} else {
				p.Files[file] = text
			}
		}
	}
	return p
}
