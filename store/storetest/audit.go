package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// append adds a record and returns it with the head that it made.
func (s Subject) record(t fataler, r store.Audited) (store.Audited, store.Head) {
	t.Helper()
	added, head, err := s.Audit.Append(t.Context(), r)
	done(t, err)
	return added, head
}

// sound checks that nothing is wrong with the audit.
func (s Subject) sound(t fataler, records int64, known ...store.Head) store.Head {
	t.Helper()
	report := must(s.Audit.Verify(t.Context(), known...))(t)
	equal(t, "findings", report.Findings, []store.AuditFinding(nil))
	equal(t, "records", report.Records, records)
	return report.Head
}

func auditComesBack(t *testing.T, s Subject) {
	ctx := t.Context()
	s.sound(t, 0)
	begun, _ := s.record(t, store.Audited{Caller: "olga", Role: "operator", From: "socket", Operation: "apply", Target: "/v1/apply", Result: store.Begun})
	s.Clock.Advance(time.Second)
	ended, head := s.record(t, store.Audited{Caller: "olga", Operation: "apply", Result: "done", Of: begun.Seq, Status: 200, After: "entry 7"})
	equal(t, "time", ended.When(), s.Clock.Now())
	s.Clock.Advance(time.Second)
	denied, last := s.record(t, store.Audited{Caller: "ä\u2028<\"", Operation: "rollback", Result: "denied", Status: 403})
	equal(t, "numbers", []int64{begun.Seq, ended.Seq, denied.Seq}, []int64{1, 2, 3})
	equal(t, "head", must(s.Audit.Head(ctx))(t), last)
	equal(t, "verified head", s.sound(t, 3, head, last, store.Head{}), last)

	for what, tt := range map[string]struct {
		query store.AuditQuery
		want  []store.Audited
	}{
		"all but beginnings": {store.AuditQuery{}, []store.Audited{denied, ended}},
		"beginnings too":     {store.AuditQuery{Begun: true}, []store.Audited{denied, ended, begun}},
		"by caller":          {store.AuditQuery{Caller: "olga"}, []store.Audited{ended}},
		"by operation":       {store.AuditQuery{Operation: "rollback"}, []store.Audited{denied}},
		"by result":          {store.AuditQuery{Result: "done"}, []store.Audited{ended}},
		"since":              {store.AuditQuery{Since: denied.When()}, []store.Audited{denied}},
		"until":              {store.AuditQuery{Until: denied.When()}, []store.Audited{ended}},
		"a page":             {store.AuditQuery{Limit: 1}, []store.Audited{denied}},
		"the next":           {store.AuditQuery{Limit: 1, Before: denied.Seq}, []store.Audited{ended}},
		"nobody":             {store.AuditQuery{Caller: "tina"}, nil},
	} {
		equal(t, what, must(s.Audit.List(ctx, tt.query))(t), tt.want)
	}

	open, _ := s.record(t, store.Audited{Caller: "tina", Operation: "apply", Result: store.Begun})
	equal(t, "one without an end", must(s.Audit.List(ctx, store.AuditQuery{Caller: "tina"}))(t), []store.Audited{open})
}

// auditOneChain appends through two stores at one place at once: all are there, in one chain without a gap.
func auditOneChain(t *testing.T, s Subject) {
	const each = 20
	other := s.Open(t, store.Options{Now: s.Clock.Now})
	for _, err := range race(each, func(i int) error {
		_, _, err := []*store.Store{s.Store, other}[i%2].Audit.Append(t.Context(), store.Audited{Caller: fmt.Sprint(i), Operation: "apply", Result: "done"})
		return err
	}) {
		done(t, err)
	}
	s.sound(t, each)
}

// auditTruncated opens the same place as it was before: only a head that was kept elsewhere tells.
func auditTruncated(t *testing.T, s Subject) {
	s.record(t, store.Audited{Caller: "olga", Operation: "apply", Result: "done"})
	later := store.Head{Seq: 9, Hash: "ab"}
	s.sound(t, 1)
	report := must(s.Audit.Verify(t.Context(), later))(t)
	equal(t, "findings", report.Findings, []store.AuditFinding{
		{Seq: 2, What: "the records from here to 9, a head that is known, are missing, and the audit's own head was set back"},
	})
	report = must(s.Audit.Verify(t.Context(), store.Head{Seq: 1, Hash: "ab"}))(t)
	if len(report.Findings) == 0 {
		t.Error("a head that is another was not found")
	}
}
