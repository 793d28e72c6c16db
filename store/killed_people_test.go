package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// writeOfPeople changes what the management API and accounts keep: tokens, the audit, certificates, usage, and an application
// with a credential and a subscription, which are one change.
func writeOfPeople(ctx context.Context, s *store.Store, out io.Writer, me string, i int64) error {
	id := fmt.Sprint(me, "-", i)
	if _, err := s.Access.Create(ctx, store.AccessToken{ID: id, Role: "viewer", Expires: time.Now().Add(time.Hour)}, make([]byte, 32)); err != nil {
		return err
	}
	fmt.Fprintln(out, "access", id, 1)
	if err := s.Access.Revoke(ctx, id); err != nil {
		return err
	}
	fmt.Fprintln(out, "access", id, 2)
	_, head, err := s.Audit.Append(ctx, store.Audited{Caller: me, Operation: "applyChange", Result: "done"})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "audit", head.Hash, head.Seq)
	if err := s.Certificates.Add(ctx, store.Certificate{Serial: id, Fleet: me, Node: "a", Expires: time.Now().Add(time.Hour)}, nil); err != nil {
		return err
	}
	fmt.Fprintln(out, "issued", id, 1)
	if _, err := s.Certificates.Revoke(ctx, store.Revocation{Fleet: me, Node: "a", Serial: id}); err != nil {
		return err
	}
	fmt.Fprintln(out, "issued", id, 2)
	hour := time.Unix(1_800_000_000, 0)
	rows := []store.Hourly{{Hour: hour, API: me, Class: "2xx", Requests: i}, {Hour: hour, API: me, Class: "4xx", Requests: i}}
	if err := s.Usage.Put(ctx, me, rows); err != nil {
		return err
	}
	fmt.Fprintln(out, "usage", me, i)
	err = s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		_, appErr := s.Accounts.AddApplication(ctx, store.Application{ID: id, Name: me})
		_, credentialErr := s.Accounts.AddCredential(ctx, store.Credential{ID: id, Application: id, Prefix: me}, []byte(fmt.Sprintf("%032s", id)))
		_, subscriptionErr := s.Accounts.Subscribe(ctx, store.Subscription{ID: id, Application: id, API: "payments"})
		return errors.Join(appErr, credentialErr, subscriptionErr)
	})
	if err == nil {
		fmt.Fprintln(out, "account", id, 1)
	}
	return err
}

// examinePeople looks for what writeOfPeople wrote.
func examinePeople(t *testing.T, s *store.Store, seen *confirmed) {
	ctx := t.Context()
	for id, want := range seen.numbers["access"] {
		token, _, err := s.Access.Find(ctx, id)
		if err != nil || want == 2 && token.Revoked.IsZero() {
			t.Errorf("access token %s: step %d was confirmed: %+v, %v", id, want, token, err)
		}
	}
	heads := make([]store.Head, 0, len(seen.numbers["audit"]))
	for hash, seq := range seen.numbers["audit"] {
		heads = append(heads, store.Head{Seq: seq, Hash: hash})
	}
	if report, err := s.Audit.Verify(ctx, heads...); err != nil || len(report.Findings) > 0 {
		t.Errorf("the audit: %v, %v", report.Findings, err)
	}
	revocations, err := s.Certificates.Revocations(ctx)
	if err != nil {
		t.Error(err)
	}
	revoked, kept := map[string]bool{}, map[string]bool{}
	for _, r := range revocations {
		revoked[r.Serial] = true
	}
	certificates, err := s.Certificates.List(ctx, "", "")
	if err != nil {
		t.Error(err)
	}
	for _, c := range certificates {
		kept[c.Serial] = true
		if revoked[c.Serial] == c.Revoked.IsZero() {
			t.Errorf("certificate %s is half revoked", c.Serial)
		}
	}
	for serial, want := range seen.numbers["issued"] {
		if !kept[serial] || want == 2 && !revoked[serial] {
			t.Errorf("certificate %s: step %d was confirmed: kept %v, revoked %v", serial, want, kept[serial], revoked[serial])
		}
	}
	for who, want := range seen.numbers["usage"] {
		rows, err := s.Usage.List(ctx, store.UsageQuery{API: who})
		if err != nil || len(rows) != 2 || rows[0].Requests != rows[1].Requests || rows[0].Requests < want {
			t.Errorf("usage of %s: %+v, %d was confirmed: %v", who, rows, want, err)
		}
	}
	examineAccounts(t, s, seen)
}

func examineAccounts(t *testing.T, s *store.Store, seen *confirmed) {
	ids := func(query string) map[string]bool {
		names, err := s.Names(t.Context(), query)
		if err != nil {
			t.Error(err)
		}
		found := map[string]bool{}
		for _, name := range names {
			found[name] = true
		}
		return found
	}
	applications, credentials, subscriptions := ids("SELECT id FROM applications"), ids("SELECT id FROM credentials"), ids("SELECT id FROM subscriptions")
	for id := range applications {
		if !credentials[id] || !subscriptions[id] {
			t.Errorf("application %s came alone", id)
		}
	}
	for id := range seen.numbers["account"] {
		if !applications[id] {
			t.Errorf("application %s was confirmed and is lost", id)
		}
	}
}

// examineEntry looks whether what came with an entry is whole.
func examineEntry(t *testing.T, s *store.Store, e store.Entry) {
	resources, err := s.History.Resources(t.Context(), e.Number)
	by, _, _ := strings.Cut(e.Content, "-")
	if err != nil || string(resources) != "resources of "+e.Content || e.Source != by {
		t.Errorf("entry %d of source %q has the resources %q: %v", e.Number, e.Source, resources, err)
	}
	if e.Of > 0 {
		if of, err := s.History.Get(t.Context(), e.Of); err != nil || of.Source != by {
			t.Errorf("entry %d goes back to %d: %+v, %v", e.Number, e.Of, of, err)
		}
	}
}
