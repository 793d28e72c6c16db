package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// overTCP starts a server whose management API is on loopback, and returns the token of its first admin.
func overTCP(t *testing.T, o server.Options) (s *server.Server, token string) {
	t.Helper()
	if o.State == "" {
		o.State = needs.SocketDir(t)
	}
	o.Listen.Admin = "127.0.0.1:0"
	s = start(t, o)
	text, err := os.ReadFile(filepath.Join(o.State, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return s, strings.TrimSpace(string(text))
}

func as(t *testing.T, s *server.Server, token string) *admin.Client {
	t.Helper()
	c, err := admin.Dial(s.Addrs().Admin, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// status asks for a path with a token and returns the status.
func status(t *testing.T, s *server.Server, token, method, path, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addrs().Admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// TestFirstToken starts over TCP with nothing said about callers: an admin's token is in a file that only this user reads, and a
// restart makes no other.
func TestFirstToken(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	s, token := overTCP(t, server.Options{State: state})
	path := filepath.Join(state, "admin-token")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if who, err := as(t, s, token).Caller(t.Context()); err != nil || who.Role != admin.Admin || who.Name != "token first" {
		t.Errorf("%+v, %v", who, err)
	}
	for wrong, token := range map[string]string{
		"none": "", "another secret": token[:len(token)-4] + "AAAA", "a part": token[:len(token)-1], "the id": strings.Split(token, ".")[0] + ".",
	} {
		if got := status(t, s, token, "GET", "/v1/caller", ""); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", wrong, got)
		}
	}
	stop(t, s)
	for _, name := range []string{"gatehouse.db", "gatehouse.db-wal"} {
		kept, err := os.ReadFile(filepath.Join(state, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if bytes.Contains(kept, []byte(strings.Split(token, ".")[1])) {
			t.Errorf("%s holds the secret", name)
		}
	}
	again, same := overTCP(t, server.Options{State: state})
	if tokens, err := as(t, again, token).AccessTokens(t.Context()); err != nil || len(tokens) != 1 || same != token {
		t.Errorf("after a restart: %+v, %v", tokens, err)
	}
}

// TestAccessTokens makes a token, uses it within its rights and beyond, rotates and revokes it.
func TestAccessTokens(t *testing.T) {
	t.Parallel()
	clock := &leaping{}
	s, first := overTCP(t, server.Options{Now: clock.Now})
	boss := as(t, s, first)
	made, err := boss.CreateAccess(t.Context(), admin.AccessGrant{Name: "ci", Role: admin.Member, Team: "payments", Source: "payments", Expires: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	ci := as(t, s, made.Text)
	if who, err := ci.Caller(t.Context()); err != nil || who.Name != "token ci" || who.Team != "payments" || who.Source != "payments" || !strings.HasPrefix(who.From, "127.0.0.1:") {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := ci.AccessTokens(t.Context()); err == nil || !strings.Contains(err.Error(), "the role admin is needed") {
		t.Errorf("a member lists tokens: %v", err)
	}
	if _, err := ci.CreateAccess(t.Context(), admin.AccessGrant{Name: "more", Role: admin.Admin}); err == nil {
		t.Error("a member made an admin")
	}
	if got := status(t, s, made.Text, "POST", "/v1/endpoints/shop", "{}"); got != http.StatusForbidden {
		t.Errorf("a token bound to a source changes what is no source: %d", got)
	}
	reader, err := boss.CreateAccess(t.Context(), admin.AccessGrant{Name: "eye", Role: admin.Admin, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, s, reader.Text, "POST", "/v1/access/"+made.ID+"/revoke", ""); got != http.StatusForbidden {
		t.Errorf("a token for reading revoked another: %d", got)
	}

	next, err := boss.RotateAccess(t.Context(), made.ID, admin.AccessRotation{Overlap: "10m", Expires: "1h"})
	if err != nil || next.Name != "ci" || next.Team != "payments" || next.Source != "payments" {
		t.Fatalf("%+v, %v", next, err)
	}
	for _, tt := range []struct {
		what, token string
		want        int
	}{{"the old one meanwhile", made.Text, 200}, {"the new one", next.Text, 200}} {
		if got := status(t, s, tt.token, "GET", "/v1/caller", ""); got != tt.want {
			t.Errorf("%s: %d", tt.what, got)
		}
	}
	clock.advance(11 * time.Minute)
	if got := status(t, s, made.Text, "GET", "/v1/caller", ""); got != http.StatusUnauthorized {
		t.Errorf("the old one after a while: %d", got)
	}
	if err := boss.RevokeAccess(t.Context(), next.ID); err != nil {
		t.Fatal(err)
	}
	if got := status(t, s, next.Text, "GET", "/v1/caller", ""); got != http.StatusUnauthorized {
		t.Errorf("a revoked one: %d", got)
	}
	clock.advance(100 * 24 * time.Hour)
	if got := status(t, s, reader.Text, "GET", "/v1/caller", ""); got != http.StatusUnauthorized {
		t.Errorf("an expired one: %d", got)
	}
	for _, wrong := range []admin.AccessGrant{
		{Name: "x", Role: "root"},
		{Name: "x", Role: admin.Member},
		{Name: "x", Role: admin.Admin, Team: "payments"},
		{Name: "x", Role: admin.Viewer, Expires: "0s"},
		{Name: "x", Role: admin.Viewer, Expires: "soon"},
		{Name: "x", Role: admin.Viewer, Expires: "100000h"},
		{Name: "uid\n0", Role: admin.Viewer},
	} {
		if _, err := boss.CreateAccess(t.Context(), wrong); err == nil {
			t.Errorf("%+v was made", wrong)
		}
	}
}

// TestRevocationReachesOthers has two daemons on one store: what one revokes, the other refuses within a second.
func TestRevocationReachesOthers(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	one, token := overTCP(t, server.Options{State: state})
	elsewhere := needs.SocketDir(t)
	at := func(name string) string { return "unix:" + filepath.Join(elsewhere, name) }
	two, _ := overTCP(t, server.Options{State: state, Listen: server.Addresses{XDS: at("x"), Authz: at("a"), RateLimit: at("r"), AccessLog: at("l")}})
	made, err := as(t, one, token).CreateAccess(t.Context(), admin.AccessGrant{Name: "ci", Role: admin.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, two, made.Text, "GET", "/v1/caller", ""); got != http.StatusOK {
		t.Fatalf("the other one: %d", got)
	}
	if err := as(t, one, token).RevokeAccess(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	eventually(t, "refused by the other one", func() bool { return status(t, two, made.Text, "GET", "/v1/caller", "") == http.StatusUnauthorized })
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestRolesTable holds every operation that the API describes, and those that it does not, against who may do it. A new operation
// stands in no rule, and so is nobody's until somebody decides.
func TestRolesTable(t *testing.T) {
	t.Parallel()
	s, first := overTCP(t, server.Options{})
	boss := as(t, s, first)
	want := map[string]admin.Role{}
	for role, names := range map[admin.Role]string{
		admin.Viewer: "compareEntries exportFleet explain getApplication getCaller getDocuments getEndpoints getEntry getKey getNode getRevision listApplications listEndpoints " +
			"listHistory listKeys listLimits listNodes listReplicas listRollouts listRoots listUsage watchEvents",
		admin.Member:   "applyChange planChange changeEndpoints createApplication createKey revokeApplication revokeKey rotateKey",
		admin.Operator: "confirmEntry getBucket getDecision getToken grantBucket listAudit listCertificates listDecisions listTokens listTopBuckets orderRollout resetBucket retryNode revokeNode rollBack setPlan verifyAudit",
		admin.Admin:    "createAccess createToken getAccess listAccess revokeAccess revokeToken rotateAccess rotateRoot",
	} {
		for name := range strings.FieldsSeq(names) {
			want[name] = role
		}
	}
	ranks := []admin.Role{admin.Viewer, admin.Member, admin.Operator, admin.Admin}
	tokens := map[admin.Role]string{}
	for _, role := range ranks {
		grant := admin.AccessGrant{Name: string(role), Role: role}
		if role == admin.Member {
			grant.Team = "payments"
		}
		made, err := boss.CreateAccess(t.Context(), grant)
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = made.Text
	}
	asked := operationsOf(t, s, first)
	asked["getMetrics"], want["getMetrics"] = "GET /metrics", admin.Viewer
	asked["getOpenAPI"], want["getOpenAPI"] = "GET /openapi.json", admin.Viewer
	asked["profile"], want["profile"] = "GET /debug/pprof/cmdline", admin.Operator
	for _, id := range slices.Sorted(maps.Keys(asked)) {
		least, known := want[id]
		if !known {
			t.Errorf("%s: nobody has decided who may: write it into policies/admin/needs.rego and into this table", id)
			continue
		}
		method, path, _ := strings.Cut(asked[id], " ")
		for _, role := range ranks {
			allowed := slices.Index(ranks, role) >= slices.Index(ranks, least)
			if id == "watchEvents" && allowed || id == "rotateRoot" && allowed {
				continue // One does not end, the other one is told apart by its own tests.
			}
			got := status(t, s, tokens[role], method, strings.NewReplacer("{order}", "pause", "{", "", "}", "").Replace(path), "{}")
			if id == "changeEndpoints" && role == admin.Member {
				allowed = false // Only of the team's own Upstreams, and this is none.
			}
			if (got != http.StatusForbidden) != allowed {
				t.Errorf("%s by a %s: %d, allowed: %v", id, role, got, allowed)
			}
		}
	}
}

// operationsOf returns method and path of every operation that the API describes.
func operationsOf(t *testing.T, s *server.Server, token string) map[string]string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addrs().Admin+"/openapi.json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for path, methods := range document.Paths {
		for method, operation := range methods {
			found[operation.ID] = strings.ToUpper(method) + " " + path
		}
	}
	return found
}

// leaping is a clock that runs as the machine's, and may be put forward.
type leaping struct{ ahead atomic.Int64 }

// Now returns the time.
func (l *leaping) Now() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

func (l *leaping) advance(d time.Duration) { l.ahead.Add(int64(d)) }
