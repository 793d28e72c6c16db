package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func (s Subject) issue(t fataler, serial, node string, renews *store.Shown) error {
	t.Helper()
	c := store.Certificate{Serial: serial, Fleet: "edge", Node: node, Expires: s.Clock.Now().Add(24 * time.Hour), Token: "t1"}
	if renews != nil {
		c.Token, c.Renews = "", renews.Serial
	}
	return s.Certificates.Add(t.Context(), c, renews)
}

// refused says whether a certificate is, by all that the store says.
func (s Subject) refused(t fataler, shown store.Shown) bool {
	t.Helper()
	refused := false
	for _, r := range must(s.Certificates.Revocations(t.Context()))(t) {
		refused = refused || r.Refuses(shown)
	}
	return refused
}

func certificatesComeBack(t *testing.T, s Subject) {
	ctx := t.Context()
	began := s.Clock.Now()
	done(t, s.issue(t, "01", "a", nil))
	s.Clock.Advance(time.Hour)
	done(t, s.issue(t, "02", "a", &store.Shown{Fleet: "edge", Node: "a", Serial: "01", From: began}))
	done(t, s.issue(t, "03", "b", nil))
	is(t, "the same serial", s.issue(t, "03", "c", nil), store.ErrConflict)
	is(t, "no serial", s.issue(t, "", "c", nil), store.ErrInvalid)
	want := store.Certificate{Serial: "01", Fleet: "edge", Node: "a", Issued: began, Expires: began.Add(24 * time.Hour), Token: "t1"}
	of := must(s.Certificates.List(ctx, "edge", "a"))(t)
	equal(t, "the first", of[1], want)
	equal(t, "the second", []string{of[0].Renews, of[0].Token}, []string{"01", ""})
	equal(t, "all", len(must(s.Certificates.List(ctx, "", ""))(t)), 3)
	equal(t, "forgotten", must(s.Certificates.Forget(ctx, began.Add(24*time.Hour+time.Second), began))(t), 1)
	equal(t, "of the node", len(must(s.Certificates.List(ctx, "edge", "a"))(t)), 1)
}

// certificatesRevoked revokes a node: what it was given is refused, kept or not, what it is given later is not, whatever the
// clock of who gave it says.
func certificatesRevoked(t *testing.T, s Subject) {
	ctx := t.Context()
	began := s.Clock.Now()
	shown := func(serial string, from time.Time) store.Shown {
		return store.Shown{Fleet: "edge", Node: "a", Serial: serial, From: from}
	}
	done(t, s.issue(t, "01", "a", nil))
	ahead := store.Certificate{Serial: "02", Fleet: "edge", Node: "a", Issued: began.Add(time.Hour), Expires: began.Add(24 * time.Hour)}
	done(t, s.Certificates.Add(ctx, ahead, nil))
	feed := s.Watch(ctx)
	<-feed
	r := must(s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge", Node: "a", Author: "olga", Reason: "stolen"}))(t)
	equal(t, "told", <-feed, store.Notice{Concern: store.ConcernCertificates, Key: "edge/a"})
	equal(t, "revocation", r, store.Revocation{Fleet: "edge", Node: "a", Before: began, Author: "olga", Reason: "stolen", Made: began})
	done(t, s.issue(t, "03", "a", nil))
	for what, c := range map[string]struct {
		shown store.Shown
		want  bool
	}{
		"one that was given before":             {shown("01", began.Add(-time.Minute)), true},
		"one by a clock that is ahead":          {shown("02", began.Add(time.Hour)), true},
		"one that was never kept":               {shown("99", began.Add(-time.Hour)), true},
		"one that was given later":              {shown("03", began.Add(-time.Minute)), false},
		"one that was never kept, and is later": {shown("98", began.Add(time.Second)), false},
		"another node's":                        {store.Shown{Fleet: "edge", Node: "b", Serial: "01", From: began}, false},
		"another fleet's":                       {store.Shown{Fleet: "core", Node: "a", Serial: "01", From: began}, false},
	} {
		equal(t, what, s.refused(t, c.shown), c.want)
	}
	old := shown("01", began.Add(-time.Minute))
	is(t, "a renewal of a revoked one", s.issue(t, "04", "a", &old), store.ErrRevoked)
	later := shown("03", began.Add(-time.Minute))
	done(t, s.issue(t, "04", "a", &later))
	must(s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge", Node: "a", Before: began.Add(-time.Hour)}))(t)
	equal(t, "after a revocation that reaches less far", s.refused(t, shown("99", began)), true)
	is(t, "of nobody", failure(s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge"})), store.ErrInvalid)
}

func certificatesRevokedOne(t *testing.T, s Subject) {
	ctx := t.Context()
	done(t, s.issue(t, "01", "a", nil))
	done(t, s.issue(t, "02", "a", nil))
	must(s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge", Node: "a", Serial: "01"}))(t)
	for serial, want := range map[string]bool{"01": true, "02": false} {
		equal(t, serial, s.refused(t, store.Shown{Fleet: "edge", Node: "a", Serial: serial, From: s.Clock.Now().Add(-time.Minute)}), want)
	}
	for _, c := range must(s.Certificates.List(ctx, "edge", ""))(t) {
		equal(t, "revoked "+c.Serial, !c.Revoked.IsZero(), c.Serial == "01")
	}
	s.Clock.Advance(time.Hour)
	equal(t, "forgotten", must(s.Certificates.Forget(ctx, time.Time{}, s.Clock.Now()))(t), 1)
}
