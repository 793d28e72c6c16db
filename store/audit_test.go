package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// TestAuditTampering changes the database under the audit: each change is found, and where it was made is told.
func TestAuditTampering(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sql  []string
		seq  int64
		what string
	}{
		"a changed body":          {[]string{"UPDATE audit SET body = replace(body, 'olga', 'tina') WHERE seq = 3"}, 3, "it was changed"},
		"a changed column":        {[]string{"UPDATE audit SET caller = 'tina' WHERE seq = 3"}, 3, "what it is found by was changed"},
		"a changed time":          {[]string{"UPDATE audit SET time = time + 1 WHERE seq = 3"}, 3, "what it is found by was changed"},
		"one missing":             {[]string{"DELETE FROM audit WHERE seq = 3"}, 3, "the records from here to 3 are missing"},
		"several missing":         {[]string{"DELETE FROM audit WHERE seq < 4"}, 1, "the records from here to 3 are missing"},
		"one missing, closed up":  {[]string{"DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5"}, 3, "it does not follow"},
		"two in another order":    {[]string{"UPDATE audit SET seq = -1 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = -1"}, 2, "it was moved here from 3"},
		"the last missing":        {[]string{"DELETE FROM audit WHERE seq = 5"}, 5, "the records from here to 5 are missing"},
		"all missing":             {[]string{"DELETE FROM audit"}, 1, "the records from here to 5 are missing"},
		"the head set back":       {[]string{"UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)"}, 5, "it stands behind the head"},
		"a foreign head":          {[]string{"UPDATE audit_head SET hash = 'ab'"}, 5, "its hash is not the one of the head"},
		"one invented at the end": {[]string{"INSERT INTO audit SELECT 6, time, caller, operation, result, begun, body, previous, hash FROM audit WHERE seq = 5"}, 6, "it stands behind the head"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, store.Options{Dir: t.TempDir()})
			for i := range 5 {
				if _, _, err := s.Audit.Append(t.Context(), store.Audited{Caller: "olga", Operation: fmt.Sprint("op", i), Result: "done"}); err != nil {
					t.Fatal(err)
				}
			}
			for _, statement := range tt.sql {
				if err := s.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			report, err := s.Audit.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Findings, func(f store.AuditFinding) bool { return f.Seq == tt.seq && strings.HasPrefix(f.What, tt.what) }) {
				t.Errorf("found %v, want %d: %s", report.Findings, tt.seq, tt.what)
			}
		})
	}
}

// TestAuditTruncation takes the end away with the head, so that the rest is whole in itself: who kept the head elsewhere sees it.
func TestAuditTruncation(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir()})
	var head store.Head
	for range 5 {
		var err error
		if _, head, err = s.Audit.Append(t.Context(), store.Audited{Caller: "olga", Operation: "apply", Result: "done"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{
		"DELETE FROM audit WHERE seq > 3", "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)",
	} {
		if err := s.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := s.Audit.Verify(t.Context()); err != nil || len(report.Findings) != 0 || report.Records != 3 {
		t.Errorf("without a head that was kept: %+v, %v: the page on the audit says that this is not found", report, err)
	}
	report, err := s.Audit.Verify(t.Context(), head)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Seq != 4 {
		t.Errorf("with it: %+v, %v", report, err)
	}
	// Another end, as long as the first one, is another chain.
	for range 2 {
		if _, _, err := s.Audit.Append(t.Context(), store.Audited{Caller: "tina", Operation: "apply", Result: "done"}); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := s.Audit.Verify(t.Context(), head); err != nil || len(report.Findings) != 1 || report.Findings[0].Seq != 5 {
		t.Errorf("with another end: %+v, %v", report, err)
	}
}
