package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// Fill puts something of each concern into a store: what a dump must hold.
func Fill(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	for i := range 3 {
		must(s.History.Add(ctx, store.Entry{Content: string(rune('a' + i)), State: "live", Author: "olga", Substitutions: []byte(`{}`)}, files(i)))(t)
	}
	must(s.History.Add(ctx, store.Entry{Content: "a", State: "held"}, nil))(t)
	done(t, s.Nodes.Put(ctx, node("a"), store.Node{Fleet: "edge", Name: "b", Labels: map[string]string{"zone": "größe"}}))
	must(s.Rollouts.Put(ctx, store.Rollout{Fleet: "edge", Entry: 1, State: "done", Finished: time.Now()}, store.Rollout{Fleet: "edge", Entry: 2, State: "rolling", Body: []byte(`{"wave":1}`)}))(t)
	must(s.Observed.Put(ctx, value("pay", "1"), 0))(t)
	must(s.Observed.Put(ctx, value("pay", ""), store.AnyVersion))(t)
	must(s.Observed.Put(ctx, value("gone", "1"), 0))(t)
	done(t, s.Observed.Delete(ctx, value("gone", ""), store.AnyVersion))
	must(s.Tokens.Create(ctx, store.Token{ID: "t", Fleet: "edge", Uses: 2, Expires: time.Now().Add(time.Hour)}, make([]byte, 32)))(t)
	must(s.Authority.Add(ctx, authority("ca", store.Active)))(t)
	done(t, s.Meta.Set(ctx, "domain", "bank.test"))
	done(t, s.Secrets.Put(ctx, "oidc", []byte("the secret of a client")))
	must(s.Access.Create(ctx, store.AccessToken{ID: "x", Role: "viewer", Expires: time.Now().Add(time.Hour)}, secret('x')))(t)
	_, _, err := s.Audit.Append(ctx, store.Audited{Caller: "olga", Operation: "applyChange", Result: "done"})
	done(t, err)
	done(t, s.Certificates.Add(ctx, store.Certificate{Serial: "01", Fleet: "edge", Node: "a", Expires: time.Now().Add(time.Hour)}, nil))
	must(s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge", Node: "a"}))(t)
	done(t, s.Usage.Put(ctx, "a/1", []store.Hourly{hourly(time.Now(), "pay", "2xx", 3)}))
	must(s.Accounts.AddApplication(ctx, store.Application{ID: "a1", Name: "Shop"}))(t)
	must(s.Accounts.AddCredential(ctx, store.Credential{ID: "c1", Application: "a1", Prefix: "gh_"}, secret('s')))(t)
	must(s.Accounts.Subscribe(ctx, store.Subscription{ID: "s1", Application: "a1", API: "pay"}))(t)
}

// dump returns a store's dump.
func dump(t *testing.T, s *store.Store) string {
	t.Helper()
	var out bytes.Buffer
	done(t, s.Dump(t.Context(), &out))
	return out.String()
}

func dumpNamesEverything(t *testing.T, s Subject) {
	Fill(t, s.Store)
	text := dump(t, s.Store)
	for table := range strings.FieldsSeq("contents files content_files entries nodes rollouts observed changes tokens authorities meta secrets access_tokens audit audit_head certificates revocations usage applications credentials subscriptions") {
		_, rest, found := strings.Cut(text, `{"table":"`+table+`"`)
		_, after, _ := strings.Cut(rest, "\n")
		if !found || !strings.HasPrefix(after, `{"row":`) {
			t.Errorf("the dump has no row of %s", table)
		}
	}
	equal(t, "a dump of what was not changed", dump(t, s.Store), text)
}

func loadRefuses(t *testing.T, s Subject) {
	ctx := t.Context()
	text := `{"format":"gatehouse store","schema":1}` + "\n"
	table := text + `{"table":"meta","columns":["name","value"]}` + "\n"
	for what, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", store.ErrCorrupt},
		"another file":         {"kind: Gateway\n", store.ErrForeign},
		"a newer version's":    {`{"format":"gatehouse store","schema":90000}` + "\n", store.ErrNewer},
		"one that ends":        {table + `{"row":["a","b"]}` + "\n", store.ErrCorrupt},
		"a wrong sum":          {table + `{"row":["a","b"]}` + "\n" + `{"end":{"rows":1,"sha256":"00"}}` + "\n", store.ErrCorrupt},
		"an unknown table":     {text + `{"table":"others","columns":["name"]}` + "\n", store.ErrCorrupt},
		"SQL for a table":      {text + `{"table":"meta; DROP TABLE meta","columns":["name"]}` + "\n", store.ErrCorrupt},
		"an unknown column":    {text + `{"table":"meta","columns":["name","other"]}` + "\n", store.ErrCorrupt},
		"a row before a table": {text + `{"row":["a","b"]}` + "\n", store.ErrCorrupt},
		"a short row":          {table + `{"row":["a"]}` + "\n", store.ErrCorrupt},
		"a number for a text":  {table + `{"row":["a",1]}` + "\n", store.ErrCorrupt},
	} {
		is(t, what, s.Load(ctx, strings.NewReader(c.text)), c.want)
		is(t, "after "+what, failure(s.Meta.Get(ctx, "a")), store.ErrNotFound)
	}
	broken := errors.New("the disk is gone")
	is(t, "a reader that fails", s.Load(ctx, io.MultiReader(strings.NewReader(table), failing{broken})), broken)
	is(t, "a writer that fails", s.Dump(ctx, failing{broken}), broken)
	is(t, "inside of Together", s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		return s.Load(ctx, strings.NewReader(text))
	}), store.ErrInvalid)
	done(t, s.Meta.Set(ctx, "a", "b"))
	is(t, "a store that is not empty", s.Load(ctx, strings.NewReader(text)), store.ErrThere)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Moves checks that all of one store comes into another, which is empty, and that numbers go on from there.
func Moves(t *testing.T, from, to *store.Store) {
	t.Helper()
	ctx := t.Context()
	Fill(t, from)
	text := dump(t, from)
	done(t, to.Load(ctx, strings.NewReader(text)))
	equal(t, "the dump of what was loaded", dump(t, to), text)
	done(t, to.Check(ctx))
	e := store.Entry{Content: "z", State: "live"}
	equal(t, "the next entry", must(to.History.Add(ctx, e, files(9)))(t).Number, must(from.History.Add(ctx, e, files(9)))(t).Number)
	equal(t, "the next version", must(to.Observed.Put(ctx, value("pay", "2"), store.AnyVersion))(t).Version,
		must(from.Observed.Put(ctx, value("pay", "2"), store.AnyVersion))(t).Version)
	closing := must(to.Rollouts.Open(ctx))(t)[0]
	closing.State, closing.Finished = "done", time.Now()
	next := must(to.Rollouts.Put(ctx, closing, store.Rollout{Fleet: "edge", Entry: 3, State: "rolling"}))(t)
	equal(t, "the next rollout", next[1].ID, int64(3))
	must(to.Tokens.Take(ctx, store.Claim{ID: "t", Secret: make([]byte, 32)}))(t)
	is(t, "loading twice", to.Load(ctx, strings.NewReader(text)), store.ErrThere)
}

// keysRotate changes the sealing key: after it the old one is of no use.
func keysRotate(t *testing.T, s Subject) {
	ctx := t.Context()
	must(s.Authority.Add(ctx, authority("plain", store.Retired)))(t) // From the time before there was a key.
	old := s.Open(t, store.Options{Sealing: [][]byte{keyOf(1)}})
	must(old.Authority.Add(ctx, authority("sealed", store.Active)))(t)
	done(t, old.Secrets.Put(ctx, "oidc", []byte("secret")))
	is(t, "without a key", failure(s.Reseal(ctx)), store.ErrInvalid)
	is(t, "without the old key", failure(s.Open(t, store.Options{Sealing: [][]byte{keyOf(2)}}).Reseal(ctx)), store.ErrSealed)
	equal(t, "with the old key", string(must(old.Secrets.Get(ctx, "oidc"))(t)), "secret")
	both := s.Open(t, store.Options{Sealing: [][]byte{keyOf(2), keyOf(1)}})
	equal(t, "sealed anew", must(both.Reseal(ctx))(t), 3)
	is(t, "with the old key alone", failure(old.Authority.List(ctx)), store.ErrSealed)
	is(t, "with the old key alone", failure(old.Secrets.Get(ctx, "oidc")), store.ErrSealed)
	fresh := s.Open(t, store.Options{SealingKey: keyOf(2)})
	equal(t, "secret", string(must(fresh.Secrets.Get(ctx, "oidc"))(t)), "secret")
	for _, c := range must(fresh.Authority.List(ctx))(t) {
		equal(t, "key", string(c.Key), "key of "+c.ID)
	}
}
