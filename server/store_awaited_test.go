package server_test

import (
	"sync/atomic"
	"testing"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
)

// TestStartsBeforeTheStore starts a replica while PostgreSQL is away: it waits, and serves as soon as that is there.
func TestStartsBeforeTheStore(t *testing.T) {
	t.Parallel()
	database := needs.Postgres(t)
	url := database.Database()
	database.Stop()
	s, err := server.New(server.Options{Store: store.Options{URL: url}, State: needs.SocketDir(t), Replica: "a", Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- s.Start(t.Context()) }()
	if err := s.Ready(); err == nil {
		t.Error("without its store it is ready")
	}
	database.Start()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	eventually(t, "it is ready", func() bool { return s.Ready() == nil })
}

// TestSecretComesLater applies what needs a secret that one replica does not have: it serves on what it has, and takes the entry
// over when the secret is there, without being asked.
func TestSecretComesLater(t *testing.T) {
	t.Parallel()
	const key = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	var there atomic.Bool
	var asked atomic.Int64
	r := newReplicas(t, 1, func(o *server.Options) {
		o.Lookup = func(name string) (string, bool) { return key, name == "TEST_KEY" }
	})
	r.start("b", func(o *server.Options) {
		o.Lookup = func(name string) (string, bool) {
			asked.Add(1)
			return key, name == "TEST_KEY" && there.Load()
		}
	})
	r.serving(1)
	issuer := `{schema: 1, kind: Issuer, name: a, issuer: a, jwks: {file: a.json}, mint: {key: "env:TEST_KEY", tokens: {}}}`
	asked.Store(0)
	if _, err := client(t, r.all[0]).Apply(t.Context(), admin.Proposal{Source: "team", Files: map[string][]byte{
		"issuer.yaml": []byte(issuer), "a.json": []byte(`{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`),
	}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first one serves it", func() bool { return entryOf(t, client(t, r.all[0])) == 2 })
	eventually(t, "the second one has tried", func() bool { return asked.Load() > 0 })
	if got := entryOf(t, client(t, r.all[1])); got != 1 {
		t.Errorf("without the secret it serves entry %d", got)
	}
	there.Store(true)
	r.serving(2)
}
