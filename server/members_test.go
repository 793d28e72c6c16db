package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// managed starts a server that ends with the test, and returns what answers its management API.
func managed(t *testing.T, o Options) management {
	t.Helper()
	o.State = needs.SocketDir(t)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return management{s}
}

const edge = `schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: 8080}]
allow: [{team: shop, hosts: ["*"], bases: [/shop]}, {team: bank, hosts: ["*"], bases: [/bank]}]
`

// teamFiles hold an API and its Upstream.
func teamFiles(name string) map[string][]byte {
	return map[string][]byte{"api.yaml": []byte(strings.ReplaceAll(`schema: 1
kind: Upstream
name: NAME
endpoints: [{address: "127.0.0.1:9001"}]
---
kind: API
name: NAME
version: v1
expose: [{gateway: edge, base: /NAME}]
authenticate: none
to: NAME
operations: [{id: get, path: /items}]
`, "NAME", name))}
}

// TestMembersChangeWhatIsTheirs attacks the binding of a source to the team of who made it.
func TestMembersChangeWhatIsTheirs(t *testing.T) {
	t.Parallel()
	m := managed(t, Options{})
	as := func(team string) context.Context {
		return admin.WithCaller(t.Context(), admin.Caller{Name: "somebody of " + team, Role: admin.Member, Team: team})
	}
	platform := admin.WithCaller(t.Context(), admin.Caller{Name: "olga", Role: admin.Operator})
	for _, p := range []struct {
		ctx    context.Context
		source string
		files  map[string][]byte
	}{{platform, "platform", map[string][]byte{"edge.yaml": []byte(edge)}}, {as("shop"), "shop", teamFiles("shop")}, {as("bank"), "bank", teamFiles("bank")}} {
		if _, err := m.Apply(p.ctx, admin.Proposal{Source: p.source, Files: p.files}); err != nil {
			t.Fatalf("%s: %v", p.source, err)
		}
	}
	docs, err := m.Documents(t.Context(), 0, false)
	if err != nil || len(docs) != 3 || docs[2].Source != "shop" || docs[2].Team != "shop" || docs[1].Source != "platform" || docs[1].Team != "" {
		t.Fatalf("%+v, %v", docs, err)
	}
	for _, api := range m.live.Load().revision.APIs {
		if api.Team != api.Name {
			t.Errorf("%s belongs to %q", api.Name, api.Team)
		}
	}
	before := m.live.Load().entry
	with := func(name, text string) map[string][]byte {
		files := teamFiles("shop")
		files["more.yaml"] = []byte(text)
		files["more.yaml"] = []byte(strings.ReplaceAll(text, "NAME", name))
		return files
	}
	for what, tt := range map[string]struct {
		p    admin.Proposal
		code gateway.Code // "": refused as a whole.
	}{
		"a Gateway":             {admin.Proposal{Source: "shop", Files: with("", strings.ReplaceAll(edge, "edge", "mine"))}, gateway.CodePlatform},
		"another team's name":   {admin.Proposal{Source: "shop", Files: with("", "schema: 1\nkind: Upstream\nname: x\nteam: bank\nendpoints: pushed\n")}, gateway.CodeForeignTeam},
		"another team's base":   {admin.Proposal{Source: "shop", Files: with("", strings.ReplaceAll(strings.ReplaceAll(string(teamFiles("bonds")["api.yaml"]), "base: /bonds", "base: /bank/x"), "bonds", "bonds"))}, gateway.CodeNotGranted},
		"another team's object": {admin.Proposal{Source: "shop", Files: with("", string(teamFiles("bank")["api.yaml"]))}, gateway.CodeForeignSource},
		"taken over":            {admin.Proposal{Source: "shop", Files: with("", string(teamFiles("bank")["api.yaml"])), TakeOver: true}, gateway.CodeForeignSource},
		"the platform's":        {admin.Proposal{Source: "shop", Edits: []admin.Edit{{Object: gateway.Ref{Kind: gateway.KindGateway, Name: "edge"}, Remove: true}}, TakeOver: true}, gateway.CodeForeignSource},
		"the host's files":      {admin.Proposal{Source: "shop", Files: with("", "schema: 1\nkind: Upstream\nname: x\nendpoints: {file: ./secrets.yaml}\n")}, ""},
		"another team's source": {admin.Proposal{Source: "bank", Files: teamFiles("shop")}, ""},
		"the platform's source": {admin.Proposal{Source: "platform", Files: teamFiles("shop")}, ""},
		"its source's pruning":  {admin.Proposal{Source: "platform", Prune: true}, ""},
	} {
		_, err := m.Apply(as("shop"), tt.p)
		faulty, ok := errors.AsType[*admin.FaultyError](err)
		switch {
		case !errors.Is(err, admin.ErrRefused):
			t.Errorf("%s: %v", what, err)
		case tt.code != "" && (!ok || faulty.Faults[0].Code != tt.code):
			t.Errorf("%s: %v, want %s", what, err, tt.code)
		}
	}
	if _, err := m.Rollback(as("shop"), admin.Rollback{Entry: 1}); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("a rollback: %v", err)
	}
	if now := m.live.Load().entry; now != before {
		t.Errorf("entry %d is live, %d was", now, before)
	}
	if e, err := m.Entry(t.Context(), 3); err != nil || e.Author != "somebody of shop" || e.Source != "shop" {
		t.Errorf("%+v, %v", e, err)
	}
	// The platform may put things right in a team's source, which stays the team's.
	files := teamFiles("shop")
	files["api.yaml"] = []byte(strings.Replace(string(files["api.yaml"]), "/items", "/things", 1))
	if _, err := m.Apply(platform, admin.Proposal{Source: "shop", Files: files}); err != nil {
		t.Error(err)
	}
	if _, err := m.Apply(as("shop"), admin.Proposal{Source: "shop", Files: teamFiles("shop")}); err != nil {
		t.Error(err)
	}
}

// keySet is a key set whose key has an id.
func keySet(id string) []byte {
	return []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"` + id + `","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
}

// TestRollbackLeavesKeys rotates a key set that was handed in with the documents, and goes back to an entry before: the keys of
// today stay, also over another rollback.
func TestRollbackLeavesKeys(t *testing.T) {
	t.Parallel()
	m := managed(t, Options{})
	issuer := "schema: 1\nkind: Issuer\nname: idp\nissuer: https://idp.test\njwks: {file: ./idp.jwks.json}\n"
	apply := func(path, key string) int64 {
		t.Helper()
		a, err := m.Apply(t.Context(), admin.Proposal{Source: "bank", Files: map[string][]byte{
			"edge.yaml": []byte(edge), "idp.yaml": []byte(issuer), "idp.jwks.json": keySet(key),
			"api.yaml": []byte(strings.ReplaceAll(strings.Replace(string(teamFiles("bank")["api.yaml"]), "authenticate: none", "authenticate: {any: [{jwt: idp}]}", 1), "/items", path)),
		}})
		if err != nil {
			t.Fatal(err)
		}
		return a.Entry
	}
	first := apply("/accounts", "old")
	second := apply("/balances", "new")
	holds := func(what, path, key string) {
		t.Helper()
		now := m.live.Load()
		if got := string(now.revision.Issuers[0].KeySet); !strings.Contains(got, key) {
			t.Errorf("%s the keys are %s", what, got)
		}
		if got := now.revision.APIs[0].Operations[0].Match.Path.String(); got != path {
			t.Errorf("%s the path is %s", what, got)
		}
	}
	holds("at first", "/balances", "new")
	if a, err := m.Rollback(t.Context(), admin.Rollback{Entry: first}); err != nil || !a.Made {
		t.Fatalf("%+v, %v", a, err)
	}
	holds("after the rollback", "/accounts", "new")
	built, err := m.rebuildWith(t.Context(), m.live.Load().entry, 0, m.foresee)
	if err != nil || built.revision.ID != m.live.Load().revision.ID {
		t.Errorf("rebuilt it is %+v, %v", built, err)
	}
	if _, err := m.Rollback(t.Context(), admin.Rollback{Entry: second}); err != nil {
		t.Fatal(err)
	}
	holds("after the way back", "/balances", "new")
}
