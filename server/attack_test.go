package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
)

// member returns a client with a token of a team's member.
func member(t *testing.T, s *server.Server, boss *admin.Client, team string) *admin.Client {
	t.Helper()
	made, err := boss.CreateAccess(t.Context(), admin.AccessGrant{Name: team, Role: admin.Member, Team: team})
	if err != nil {
		t.Fatal(err)
	}
	return as(t, s, made.Text)
}

// document is a proposal of one file.
func document(source, text string) admin.Proposal {
	return admin.Proposal{Source: source, Files: map[string][]byte{"a.yaml": []byte("schema: 1\n" + text)}}
}

const ordersUpstream = "kind: Upstream\nname: orders\nendpoints: pushed\n"

// TestTeamsReachNoSockets has a team name a socket of the Envoy's host in every way there is: the doors of Gatehouse there believe
// whoever may open them, and so an API that leads to one would make the team an admin.
func TestTeamsReachNoSockets(t *testing.T) {
	t.Parallel()
	s, token := overTCP(t, server.Options{})
	boss := as(t, s, token)
	orders := member(t, s, boss, "orders")
	const socket = "unix:/run/gatehouse/admin.sock"
	written := document("orders", "kind: Upstream\nname: orders\nendpoints: [{address: "+socket+"}]\n")
	listed := document("orders", "kind: Upstream\nname: orders\nendpoints: {file: ./list.yaml}\n")
	listed.Files["list.yaml"] = []byte("- address: " + socket + "\n")
	for name, p := range map[string]admin.Proposal{"written": written, "in a file": listed} {
		_, err := orders.Apply(t.Context(), p)
		faulty, ok := errors.AsType[*admin.FaultyError](err)
		if !ok || !slices.ContainsFunc(faulty.Faults, func(f gateway.Fault) bool { return f.Code == gateway.CodePlatform }) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := orders.Apply(t.Context(), document("orders", ordersUpstream)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]admin.EndpointChange{
		"set": {All: true, Set: []admin.Endpoint{{Address: socket, Weight: 1}}}, "added": {Add: []admin.Endpoint{{Address: socket, Weight: 1}}},
	} {
		if _, err := orders.ChangeEndpoints(t.Context(), "orders", c); !errors.Is(err, admin.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := boss.Apply(t.Context(), document("platform", "kind: Upstream\nname: local\nendpoints: [{address: "+socket+"}]\n")); err != nil {
		t.Errorf("the platform: %v", err)
	}
}

// TestTeamsPushTheirOwn has members push endpoints to the team's own Upstream, another team's, the platform's, and to none.
func TestTeamsPushTheirOwn(t *testing.T) {
	t.Parallel()
	s, token := overTCP(t, server.Options{})
	boss := as(t, s, token)
	if _, err := boss.Apply(t.Context(), document("platform", "kind: Upstream\nname: core\nendpoints: pushed\n")); err != nil {
		t.Fatal(err)
	}
	orders, cards := member(t, s, boss, "orders"), member(t, s, boss, "cards")
	if _, err := orders.Apply(t.Context(), document("orders", ordersUpstream)); err != nil {
		t.Fatal(err)
	}
	change := admin.EndpointChange{Add: []admin.Endpoint{{Address: "127.0.0.1:9001", Weight: 1}}}
	if set, err := orders.ChangeEndpoints(t.Context(), "orders", change); err != nil || len(set.Endpoints) != 1 {
		t.Errorf("a team's own: %+v, %v", set, err)
	}
	for who, try := range map[string]error{
		"another team's": pushed(t, cards, "orders", change), "the platform's": pushed(t, cards, "core", change), "none": pushed(t, cards, "nothing", change),
	} {
		if try == nil || !strings.Contains(try.Error(), "not to the team cards") {
			t.Errorf("%s: %v", who, try)
		}
	}
}

func pushed(t *testing.T, c *admin.Client, upstream string, change admin.EndpointChange) error {
	t.Helper()
	_, err := c.ChangeEndpoints(t.Context(), upstream, change)
	return err
}

// TestOneOfTwo has many write at once what each saw the same before: one succeeds, and the others are told that they are late.
func TestOneOfTwo(t *testing.T) {
	t.Parallel()
	s, token := overTCP(t, server.Options{})
	if _, err := as(t, s, token).Apply(t.Context(), document("shop", "kind: Upstream\nname: a\nendpoints: [{address: 127.0.0.1:9001}]\n")); err != nil {
		t.Fatal(err)
	}
	etag := tagOf(t, s, token, "/v1/history/0")
	var wait sync.WaitGroup
	statuses := make([]int, 2)
	for i := range statuses {
		wait.Go(func() {
			body := `{"source":"shop","edits":[{"object":{"kind":"Upstream","name":"` + string(rune('b'+i)) + `"},"document":"kind: Upstream\nname: ` + string(rune('b'+i)) + `\nendpoints: [{address: 127.0.0.1:9001}]\n"}]}`
			statuses[i] = conditional(t, s, token, body, etag)
		})
	}
	wait.Wait()
	slices.Sort(statuses)
	if statuses[0] != http.StatusOK || statuses[1] != http.StatusConflict && statuses[1] != http.StatusPreconditionFailed {
		t.Errorf("two writes of what had the tag %s: %v", etag, statuses)
	}
	for _, stale := range []string{"", etag, `W/` + tagOf(t, s, token, "/v1/history/0"), `"x", "y"`} {
		if got := conditional(t, s, token, `{"source":"shop","edits":[{"object":{"kind":"Upstream","name":"a"},"remove":true}]}`, stale); got != http.StatusPreconditionFailed {
			t.Errorf("If-Match: %q answers %d", stale, got)
		}
	}
	if got := conditional(t, s, token, `{"source":"shop","edits":[{"object":{"kind":"Upstream","name":"a"},"remove":true}]}`, `"x", `+tagOf(t, s, token, "/v1/history/0")); got != http.StatusOK {
		t.Errorf("one of two tags: %d", got)
	}
}

func tagOf(t *testing.T, s *server.Server, token, path string) string {
	t.Helper()
	_, header := ask(t, s, token, http.MethodGet, path, "", nil)
	return header.Get("ETag")
}

func conditional(t *testing.T, s *server.Server, token, body, etag string) int {
	t.Helper()
	status, _ := ask(t, s, token, http.MethodPost, "/v1/apply", body, http.Header{"If-Match": {etag}})
	return status
}

// ask sends a request with a header, and returns the status and the header of the answer.
func ask(t *testing.T, s *server.Server, token, method, path, body string, header http.Header) (int, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addrs().Admin+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Header
}

// TestStreamEndsWithItsProof revokes and lets expire the tokens of two who read events: both streams end.
func TestStreamEndsWithItsProof(t *testing.T) {
	t.Parallel()
	clock := &leaping{}
	s, token := overTCP(t, server.Options{Now: clock.Now})
	boss := as(t, s, token)
	ended := map[string]chan error{}
	var revoked string
	for name, life := range map[string]string{"revoked": "100h", "expired": "1h"} {
		made, err := boss.CreateAccess(t.Context(), admin.AccessGrant{Name: name, Role: admin.Viewer, Expires: life})
		if err != nil {
			t.Fatal(err)
		}
		if name == "revoked" {
			revoked = made.ID
		}
		begun, end := make(chan struct{}), make(chan error, 1)
		ended[name] = end
		client := as(t, s, made.Text)
		go func() {
			end <- client.Watch(t.Context(), "", func() { close(begun) }, func(admin.Event) error { return nil })
		}()
		<-begun
	}
	if err := boss.RevokeAccess(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * time.Hour)
	for name, end := range ended {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		select {
		case err := <-end:
			if !errors.Is(err, admin.ErrAway) {
				t.Errorf("%s: %v", name, err)
			}
		case <-ctx.Done():
			t.Errorf("the stream of a token that has %s goes on", name)
		}
	}
}

// TestNoAllowNoRoute has a team claim a host of a Gateway that allows nothing, with a path inside of what the platform serves there.
func TestNoAllowNoRoute(t *testing.T) {
	t.Parallel()
	s, token := overTCP(t, server.Options{})
	boss := as(t, s, token)
	const route = `kind: Route
name: %s
expose: [{gateway: edge, hosts: [api.bank.test]}]
match: {path: %s}
authenticate: none
to: [{upstream: %s}]
---
kind: Upstream
name: %s
endpoints: [{address: 127.0.0.1:9001}]
`
	const edge = "kind: Gateway\nname: edge\nfleet: edge\nlisteners: [{name: http, address: 127.0.0.1, port: 8080}]\n---\n"
	if _, err := boss.Apply(t.Context(), document("platform", edge+fmt.Sprintf(route, "payments", "/**", "payments", "payments"))); err != nil {
		t.Fatal(err)
	}
	cards := member(t, s, boss, "cards")
	_, err := cards.Apply(t.Context(), document("cards", fmt.Sprintf(route, "cards", "/payments", "cards", "cards")))
	faulty, ok := errors.AsType[*admin.FaultyError](err)
	if !ok || len(faulty.Faults) != 1 || faulty.Faults[0].Code != gateway.CodeNotGranted {
		t.Errorf("a team takes requests of the platform: %v", err)
	}
}

// TestForeignWritesAreAudited has a page of another site, and a request for another host, attempt a write: each is in the audit.
func TestForeignWritesAreAudited(t *testing.T) {
	t.Parallel()
	s, token := overTCP(t, server.Options{})
	if status, _ := ask(t, s, token, http.MethodPost, "/v1/rollback", `{"entry":1}`, http.Header{"Origin": {"https://evil.test"}}); status != http.StatusForbidden {
		t.Fatalf("another site's page: %d", status)
	}
	records, _, err := as(t, s, token).Records(t.Context(), admin.RecordQuery{Operation: "rollBack", Limit: 10})
	if err != nil || len(records) != 1 || records[0].Result != admin.Denied || records[0].Status != http.StatusForbidden || records[0].Caller != "" {
		t.Errorf("%+v, %v", records, err)
	}
}
