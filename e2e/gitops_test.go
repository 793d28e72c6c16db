//go:build e2e

package e2e_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
)

// transfers is what the platform has in the watched directory, beside what the teams apply: an API whose backend is pushed and
// whose callers' keys are watched.
const transfers = `schema: 1
kind: Issuer
name: bank
issuer: https://id.bank.test
jwks: {file: ./keys/bank.json}
---
kind: Upstream
name: transfers
endpoints: pushed
---
kind: API
name: transfers
version: v1
expose: [{gateway: edge, base: /transfers}]
to: transfers
authenticate: {jwt: bank}
`

// TestGitops takes the example of two teams and their platform through plan, apply, staged rollouts over four Envoys and
// rollbacks, while requests flow to every API. Not one fails; and what was pushed and rotated meanwhile stays, whatever
// configuration is gone back to.
func TestGitops(t *testing.T) {
	t.Parallel()
	w := prepare(t, nil, map[string]string{"8080": fmt.Sprint(needs.Port(t))})
	w.values["PORT"] = w.values["8080"]
	for port, name := range map[string]string{"9001": "payments", "9002": "blue", "9003": "green"} {
		address, _ := backend(t, name, "")
		w.values[port] = address[strings.LastIndex(address, ":")+1:]
	}
	w.tune = func(o *server.Options) {
		o.Step, o.Grace = 250*time.Millisecond, 200*time.Millisecond
		o.Rollout.Lag = 1300 * time.Millisecond
	}
	w.startServer()
	w.applied(w.example("platform"), "")
	for _, node := range []string{"local", "local-2", "local-3", "local-4"} {
		w.startEnvoy("edge", node)
	}
	w.knock() // A rollout judges by requests.
	w.applied(w.example("payments"), "")
	cards := w.applied(w.example("cards"), "")

	// The platform's own API, with one backend and one key.
	old, fresh := newKey(t, "old"), newKey(t, "fresh")
	w.write("keys/bank.json", keySetOf(t, old, fresh))
	w.write("transfers.yaml", transfers)
	w.push("first")
	by := func(token http.Header, backends ...string) aim {
		return aim{path: "/transfers/1", header: token, backends: backends}
	}
	bearer := func(text string) http.Header {
		return http.Header{"Authorization": {strings.TrimPrefix(text, "authorization: ")}}
	}
	oldToken, freshToken := bearer(signedBy(t, old)), bearer(signedBy(t, fresh))
	before := w.settled(cards + 1)
	w.eventually("transfers are served", func() bool {
		return w.get(w.url("PORT", "/transfers/1"), "authorization: "+oldToken.Get("Authorization")).status == http.StatusOK
	})
	teams := []aim{{path: "/payments/1", backends: []string{"payments"}}, {path: "/cards/1", backends: []string{"blue", "green"}}}
	r := w.traffic("PORT", append(teams, by(oldToken, "first"))...)

	// A tenth to green, wave by wave; meanwhile the endpoints scale and the key rotates.
	files := w.example("cards")
	files["cards.yaml"] = []byte(strings.NewReplacer("weight: 100", "weight: 90", "weight: 0", "weight: 10").Replace(string(files["cards.yaml"])))
	plan, err := w.admin().Plan(t.Context(), admin.Proposal{Source: "cards", Files: files})
	if err != nil || len(plan.Faults) > 0 || len(plan.Changes) != 1 || len(plan.Changes[0].Fields) != 2 {
		t.Fatalf("plan of one weight: %+v, %v", plan, err)
	}
	weighted := w.applied(files, plan.Result)
	r.aim(append(teams, by(freshToken, "first", "second", "third"))...)
	w.push("second", "third")
	w.write("keys/bank.json", keySetOf(t, fresh))
	w.eventually("the old key opens nothing", func() bool {
		return w.get(w.url("PORT", "/transfers/1"), "authorization: "+oldToken.Get("Authorization")).status == http.StatusUnauthorized
	})
	pushed := w.endpoints("transfers")

	// Back before the weights, and to them again: the pushed endpoints and the keys are neither of them.
	for _, to := range []int64{before, weighted} {
		back, err := w.admin().Rollback(t.Context(), admin.Rollback{Entry: to})
		if err != nil {
			t.Fatal(err)
		}
		w.staged(back.Entry)
		r.aim(append(teams, by(freshToken, "second", "third"))...)
		if after := w.endpoints("transfers"); after.Version != pushed.Version || len(after.Endpoints) != 2 {
			t.Errorf("after the rollback to %d the endpoints are %+v", to, after)
		}
		if a := w.get(w.url("PORT", "/transfers/1"), "authorization: "+oldToken.Get("Authorization")); a.status != http.StatusUnauthorized {
			t.Errorf("after the rollback to %d the old key opens: %+v", to, a)
		}
	}
	again, err := w.admin().Plan(t.Context(), admin.Proposal{Source: "cards", Files: files})
	if err != nil || len(again.Changes) > 0 || len(again.Faults) > 0 {
		t.Errorf("the directory differs from what was gone back to: %+v, %v", again, err)
	}
	r.stop()
}

// example returns the files of a directory of the example, with this world's ports, and with limits that do not matter.
func (w *world) example(team string) map[string][]byte {
	w.t.Helper()
	var ports []string
	for port, own := range w.values {
		ports = append(ports, port, own)
	}
	edit := strings.NewReplacer(append(ports, "limit: 100", "limit: 1000000")...)
	root := os.DirFS(filepath.Join("..", "examples", "gitops", team))
	files := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		files[path] = []byte(edit.Replace(string(text)))
		return err
	})
	if err != nil || len(files) == 0 {
		w.t.Fatalf("the example %s: %d files, %v", team, len(files), err)
	}
	return files
}

// applied plans and applies files to the source that their directory names, and waits until all Envoys have them.
func (w *world) applied(files map[string][]byte, result string) int64 {
	w.t.Helper()
	source := "platform"
	for name := range maps.Keys(files) {
		if base, ok := strings.CutSuffix(name, ".yaml"); ok && (base == "payments" || base == "cards") {
			source = base
		}
	}
	done, err := w.admin().Apply(w.t.Context(), admin.Proposal{Source: source, Files: files, Result: result})
	if err != nil || !done.Made {
		w.t.Fatalf("apply %s: %+v, %v", source, done, err)
	}
	if source == "platform" {
		return done.Entry
	}
	w.staged(done.Entry)
	return done.Entry
}

// staged waits until an entry is live in the fleet, and fails the test unless one Envoy had it before the others.
func (w *world) staged(entry int64) {
	w.t.Helper()
	last, sizes := w.follow(entry)
	if last.Phase != "live" || len(sizes) == 0 || sizes[0] != 1 {
		w.t.Errorf("entry %d is %s, by waves of %v Envoys: %+v", entry, last.Phase, sizes, last.Reason)
	}
}

// settled waits until an entry is live, whoever made it, and returns its number.
func (w *world) settled(entry int64) int64 {
	w.t.Helper()
	w.eventually(fmt.Sprintf("entry %d is live", entry), func() bool {
		e, err := w.admin().Entry(w.t.Context(), entry)
		return err == nil && e.State == "live"
	})
	return entry
}

// push makes backends the endpoints of the Upstream transfers.
func (w *world) push(names ...string) {
	w.t.Helper()
	var set []admin.Endpoint
	for _, name := range names {
		address, _ := backend(w.t, name, "")
		set = append(set, admin.Endpoint{Address: address, Weight: 1})
	}
	w.eventually("endpoints are pushed", func() bool {
		_, err := w.admin().ChangeEndpoints(w.t.Context(), "transfers", admin.EndpointChange{All: true, Set: set})
		return err == nil
	})
}
