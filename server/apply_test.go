package server_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
)

// files are the files of a directory.
type files = map[string][]byte

// platformFiles hold a Gateway.
func platformFiles() files { return files{"gateway.yaml": []byte(gatewayDocument)} }

// shopFiles hold a Route to an Upstream, both of one name.
func shopFiles(name string) files {
	return files{
		"routes/" + name + ".yaml": fmt.Appendf(nil, `schema: 1
# The shop of %[1]s.
kind: Route
name: %[1]s
expose: [{gateway: edge}]
match: {path: /%[1]s}
authenticate: none
to: %[1]s
`, name),
		name + ".yaml": fmt.Appendf(nil, "schema: 1\nkind: Upstream\nname: %s\nendpoints: [{address: \"127.0.0.1:9001\"}]\n", name),
	}
}

// together is several sets of files as one.
func together(all ...files) files {
	out := files{}
	for _, f := range all {
		maps.Copy(out, f)
	}
	return out
}

// applied applies files, which must go well.
func applied(t *testing.T, c *admin.Client, source string, f files) admin.Applied {
	t.Helper()
	a, err := c.Apply(t.Context(), admin.Proposal{Source: source, Files: f, Prune: true})
	if err != nil {
		t.Fatalf("apply %s: %v", source, err)
	}
	return a
}

// planned plans files, which must be possible.
func planned(t *testing.T, c *admin.Client, p admin.Proposal) admin.Plan {
	t.Helper()
	plan, err := c.Plan(t.Context(), p)
	if err != nil {
		t.Fatalf("plan %s: %v", p.Source, err)
	}
	return plan
}

// objects are the changes of a plan as text.
func objects(changes []gateway.Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s of %s", c.Kind, c.Object, c.Source))
	}
	return out
}

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s -want +got:\n%s", what, diff)
	}
}

// empty reports whether a plan changes nothing.
func empty(p admin.Plan) bool {
	return len(p.Changes)+len(p.Kept)+len(p.Fleets)+len(p.Routes)+len(p.Faults) == 0 && p.Series == 0 && p.Held == ""
}

func TestPlanAndApply(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	proposal := admin.Proposal{Source: "shop", Files: together(platformFiles(), shopFiles("shop")), Message: "open the shop"}
	plan := planned(t, c, proposal)
	expect(t, "changes", []string{"added Gateway edge of shop", "added Upstream shop of shop", "added Route shop of shop"}, objects(plan.Changes))
	if plan.Base != 1 || plan.Result == "" || len(plan.Fleets) != 1 || plan.Fleets[0].Fleet != "edge" || plan.Fleets[0].Bytes == 0 || plan.Series <= 0 {
		t.Errorf("plan %+v", plan)
	}
	if r := routeOf(t, c, "/shop"); r == "forward route/shop" {
		t.Error("a plan took effect")
	}
	proposal.Base, proposal.Result = plan.Base, plan.Result
	a, err := c.Apply(t.Context(), proposal)
	if err != nil || !a.Made || a.Entry != 2 {
		t.Fatalf("applied %+v, %v", a, err)
	}
	expect(t, "what was applied", plan.Changes, a.Plan.Changes)
	if r := routeOf(t, c, "/shop"); r != "forward route/shop" {
		t.Errorf("the path takes %q", r)
	}
	proposal.Base, proposal.Result = 0, ""
	if again := planned(t, c, proposal); !empty(again) || again.Result != plan.Result {
		t.Errorf("after it was applied the plan is %+v", again)
	}
	if a, err = c.Apply(t.Context(), proposal); err != nil || a.Made || a.Entry != 2 {
		t.Errorf("applied again: %+v, %v", a, err)
	}
	e, err := c.Entry(t.Context(), 0)
	if err != nil || e.Number != 2 || e.Source != "shop" || e.Message != "open the shop" || e.Parent != 1 || !e.Live || e.Content != plan.Result || e.Author == "" {
		t.Errorf("entry %+v, %v", e, err)
	}
	docs, err := c.Documents(t.Context(), 0, false)
	if err != nil || len(docs) != 1 {
		t.Fatalf("documents %v, %v", docs, err)
	}
	expect(t, "the files", admin.SourceFiles{Source: "shop", Files: proposal.Files}, docs[0])
}

func TestApplyOnlyWhatWasPlanned(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	proposal := admin.Proposal{Source: "shop", Files: shopFiles("shop")}
	plan := planned(t, c, proposal)
	proposal.Base, proposal.Result = plan.Base, plan.Result

	other := proposal
	other.Files = shopFiles("other")
	if _, err := c.Apply(t.Context(), other); !errors.Is(err, admin.ErrConflict) {
		t.Errorf("another outcome: %v", err)
	}
	applied(t, c, "meanwhile", shopFiles("meanwhile"))
	for what, call := range map[string]func() error{
		"apply": func() error { _, err := c.Apply(t.Context(), proposal); return err },
		"plan":  func() error { _, err := c.Plan(t.Context(), proposal); return err },
		"roll back": func() error {
			_, err := c.Rollback(t.Context(), admin.Rollback{Entry: 1, Base: plan.Base})
			return err
		},
	} {
		if err := call(); !errors.Is(err, admin.ErrConflict) || !strings.Contains(err.Error(), "entry 3 is live") {
			t.Errorf("%s on what is not live any more: %v", what, err)
		}
	}
	if got := entryOf(t, c); got != 3 {
		t.Errorf("entry %d is live", got)
	}
}

// TestFaultyApplyLeavesEverything refuses faulty documents whole, with their places.
func TestFaultyApplyLeavesEverything(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	applied(t, c, "shop", shopFiles("shop"))
	for what, tt := range map[string]struct {
		change files
		place  string
	}{
		"a dangling name":   {files{"routes/shop.yaml": []byte(strings.Replace(string(shopFiles("shop")["routes/shop.yaml"]), "to: shop", "to: nowhere", 1))}, "shop:routes/shop.yaml:8:5"},
		"no YAML":           {files{"broken.yaml": []byte("schema: 1\nkind: [\n")}, "shop:broken.yaml:3:1"},
		"a path outside":    {files{"../up.yaml": []byte("schema: 1\n")}, "shop:../up.yaml"},
		"a missing file":    {files{"p.yaml": []byte("schema: 1\nkind: Policy\nname: p\nfile: ./p.rego\n")}, "shop:p.yaml:4:7"},
		"an unknown secret": {files{"i.yaml": []byte("schema: 1\nkind: Issuer\nname: i\nissuer: x\njwks: {file: ./k.json}\n")}, "shop:i.yaml:5:14"},
	} {
		proposal := admin.Proposal{Source: "shop", Files: together(shopFiles("shop"), tt.change), Prune: true}
		_, err := c.Apply(t.Context(), proposal)
		faulty, ok := errors.AsType[*admin.FaultyError](err)
		if !ok || faulty.Faults[0].Place.String() != tt.place {
			t.Errorf("%s: %v", what, err)
		}
		plan := planned(t, c, proposal)
		if len(plan.Faults) == 0 || plan.Result != "" {
			t.Errorf("%s: the plan is %+v", what, plan)
		}
	}
	for what, p := range map[string]admin.Proposal{
		"nothing":        {Source: "shop"},
		"no source":      {Files: shopFiles("x")},
		"a strange name": {Source: "a/b", Files: shopFiles("x")},
		"both":           {Source: "shop", Files: shopFiles("x"), Edits: []admin.Edit{{Remove: true}}},
	} {
		if _, err := c.Apply(t.Context(), p); !errors.Is(err, admin.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if entry, route := entryOf(t, c), routeOf(t, c, "/shop"); entry != 3 || route != "forward route/shop" {
		t.Errorf("entry %d is live, and the path takes %q", entry, route)
	}
}

// TestSourcesBesideEachOther lets a watched directory and two projects each change what is theirs.
func TestSourcesBesideEachOther(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	s := start(t, server.Options{State: state, Config: dir})
	c := client(t, s)
	applied(t, c, "shop", shopFiles("shop"))
	applied(t, c, "bank", shopFiles("bank"))
	write(t, dir, "own.yaml", strings.ReplaceAll(bankDocument, "bank", "own"))
	eventually(t, "the directory is taken in", func() bool { return entryOf(t, c) == 4 })
	for path, want := range map[string]string{"/shop": "forward route/shop", "/bank": "forward route/bank", "/own/accounts": "forward own/v1/get"} {
		if got := routeOf(t, c, path); got != want {
			t.Errorf("%s takes %q", path, got)
		}
	}
	applied(t, c, "shop", shopFiles("store"))
	if a, b := routeOf(t, c, "/shop"), routeOf(t, c, "/bank"); a == "forward route/shop" || b != "forward route/bank" {
		t.Errorf("after the shop's change the paths take %q and %q", a, b)
	}
	// What is another's is refused, and what is the directory's cannot be taken over at all.
	for what, tt := range map[string]struct {
		f     files
		take  bool
		wants string
	}{
		"another's":                      {shopFiles("bank"), false, "belongs to the source bank"},
		"the directory's":                {files{"g.yaml": []byte(gatewayDocument)}, false, "gateway.yaml:4:7"},
		"the directory's, taken over":    {files{"g.yaml": []byte(gatewayDocument)}, true, "change it there"},
		"a name that two sources invent": {files{"u.yaml": shopFiles("own")["own.yaml"]}, true, "stands in the directory"},
	} {
		_, err := c.Apply(t.Context(), admin.Proposal{Source: "shop", Files: together(shopFiles("store"), tt.f), TakeOver: tt.take, Prune: true})
		faulty, ok := errors.AsType[*admin.FaultyError](err)
		if !ok || faulty.Faults[0].Code != gateway.CodeForeignSource || !strings.Contains(err.Error(), tt.wants) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The directory cannot take what a project has either: the project's stays.
	write(t, dir, "bank.yaml", strings.ReplaceAll(string(shopFiles("bank")["routes/bank.yaml"]), "path: /bank", "path: /taken"))
	eventually(t, "the clash is told", func() bool {
		r, err := c.Revision(t.Context())
		return err == nil && len(r.Faults) > 0
	})
	if a, b := routeOf(t, c, "/bank"), routeOf(t, c, "/taken"); a != "forward route/bank" || strings.HasPrefix(b, "forward") {
		t.Errorf("the paths take %q and %q", a, b)
	}
}

// TestQuarantineDoesNotBlockOthers applies a project while an API of the watched directory is quarantined.
func TestQuarantineDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), needs.SocketDir(t)
	write(t, dir, "gateway.yaml", gatewayDocument)
	write(t, dir, "bank.yaml", bankDocument)
	s, err := server.New(server.Options{State: state, Config: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	write(t, dir, "bank.yaml", strings.Replace(bankDocument, "to: bank", "to: nowhere", 1))
	eventually(t, "the API is quarantined", func() bool { return entryOf(t, c) == 2 })
	applied(t, c, "shop", shopFiles("shop"))
	if a, b := routeOf(t, c, "/shop"), routeOf(t, c, "/bank/accounts"); a != "forward route/shop" || b != "forward bank/v1/get" {
		t.Errorf("the paths take %q and %q", a, b)
	}
	back, err := c.Rollback(t.Context(), admin.Rollback{Entry: 2})
	if err != nil || !back.Made {
		t.Fatalf("rolled back %+v, %v", back, err)
	}
	stop(t, s)
	c = client(t, start(t, server.Options{State: state, Config: dir}))
	if entry, a, b := entryOf(t, c), routeOf(t, c, "/shop"), routeOf(t, c, "/bank/accounts"); entry != 4 || a == "forward route/shop" || b != "forward bank/v1/get" {
		t.Errorf("after a rollback and a restart entry %d is live, and the paths take %q and %q", entry, a, b)
	}
}

// TestOneOfTwoApplies lets many apply on the ground of one entry at once: one does.
func TestOneOfTwoApplies(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	var made, late int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint("shop", i)
			a, err := c.Apply(t.Context(), admin.Proposal{Source: name, Files: shopFiles(name), Base: 2})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && a.Made && a.Entry == 3:
				made++
			case errors.Is(err, admin.ErrConflict):
				late++
			default:
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	all.Wait()
	if made != 1 || late != 7 {
		t.Errorf("%d applied, %d came late", made, late)
	}
}

// TestAppliedButNotBegun leaves behind what a process does that is killed between an applied entry and its rollout.
func TestAppliedButNotBegun(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	s, err := server.New(server.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	applied(t, client(t, s), "platform", platformFiles())
	applied(t, client(t, s), "shop", shopFiles("shop"))
	stop(t, s)
	kept := opened(t, state)
	before, err := kept.History.Get(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.History.Add(t.Context(), store.Entry{Content: before.Content, Of: 2, Parent: 3, State: "rolling"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	c := client(t, start(t, server.Options{State: state}))
	if entry, route := entryOf(t, c), routeOf(t, c, "/shop"); entry != 4 || route == "forward route/shop" {
		t.Errorf("entry %d is live, and the path takes %q", entry, route)
	}
}

func TestCompareAndHistory(t *testing.T) {
	t.Parallel()
	c := client(t, start(t, server.Options{State: needs.SocketDir(t)}))
	applied(t, c, "platform", platformFiles())
	applied(t, c, "shop", shopFiles("shop"))
	applied(t, c, "shop", shopFiles("store"))
	got, err := c.Compare(t.Context(), 3, 0)
	if err != nil || got.From != 3 || got.To != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	expect(t, "changes", []string{
		"deleted Upstream shop of shop", "deleted Route shop of shop", "added Upstream store of shop", "added Route store of shop",
	}, objects(got.Changes))
	text := false
	for _, r := range got.Fleets[0].Resources {
		text = text || strings.Contains(r.After, "route/store")
	}
	if !text {
		t.Errorf("no resource as YAML: %+v", got.Fleets)
	}
	all, err := c.History(t.Context(), 4, 2)
	if err != nil || len(all) != 2 || all[0].Number != 3 || all[1].Number != 2 || all[0].Live {
		t.Errorf("history %+v, %v", all, err)
	}
	if _, err := c.Compare(t.Context(), 1, 77); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("with what is not there: %v", err)
	}
	if same, err := c.Compare(t.Context(), 2, 2); err != nil || len(same.Changes)+len(same.Fleets) > 0 {
		t.Errorf("with itself: %+v, %v", same, err)
	}
	plan := planned(t, c, admin.Proposal{Upgrade: true})
	if !empty(plan) || plan.Base != 4 {
		t.Errorf("the same version changes %+v", plan)
	}
}

// TestPlansMeetChanges plans all the time while others apply, roll back and change the watched directory.
func TestPlansMeetChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gateway.yaml", gatewayDocument)
	s := start(t, server.Options{State: needs.SocketDir(t), Config: dir})
	c := client(t, s)
	const rounds = 15
	done := make(chan struct{})
	var planners, changers sync.WaitGroup
	for i := range 2 {
		planners.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-done:
					return
				default:
				}
				plan, err := c.Plan(t.Context(), admin.Proposal{Source: "plans", Files: shopFiles(fmt.Sprintf("plan%d-%d", i, k%3))})
				if err != nil || len(plan.Faults) > 0 || len(plan.Changes) != 2 {
					t.Errorf("plan %v %v, %v", objects(plan.Changes), plan.Faults, err)
				}
			}
		})
	}
	changers.Go(func() {
		for i := range rounds {
			applied(t, c, "shop", shopFiles(fmt.Sprint("shop", i)))
		}
	})
	changers.Go(func() {
		for i := range rounds {
			fresh := filepath.Join(dir, ".new")
			text := strings.ReplaceAll(bankDocument, "/accounts", fmt.Sprint("/accounts", i))
			if err := errors.Join(os.WriteFile(fresh, []byte(text), 0o600), os.Rename(fresh, filepath.Join(dir, "bank.yaml")), s.Reload(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
	changers.Wait()
	close(done)
	planners.Wait()
	for path, want := range map[string]string{
		fmt.Sprint("/shop", rounds-1): fmt.Sprint("forward route/shop", rounds-1), fmt.Sprint("/bank/accounts", rounds-1): "forward bank/v1/get",
	} {
		if got := routeOf(t, c, path); got != want {
			t.Errorf("%s takes %q", path, got)
		}
	}
}
