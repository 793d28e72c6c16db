package store

import (
	"context"
	"encoding/json"
	"fmt"
)

const (
	verifyPage  = 1000
	findingsMax = 100
)

// AuditReport is what came of looking at a whole audit.
type AuditReport struct {
	Records  int64
	Head     Head // Of the last record that was looked at.
	Findings []AuditFinding
	More     bool // There are more findings than are told.
}

// AuditFinding is one thing that is wrong.
type AuditFinding struct {
	Seq  int64
	What string
}

func (r *AuditReport) find(seq int64, format string, args ...any) {
	if len(r.Findings) >= findingsMax {
		r.More = true
		return
	}
	r.Findings = append(r.Findings, AuditFinding{Seq: seq, What: fmt.Sprintf(format, args...)})
}

// auditRow is a record as it stands in the table.
type auditRow struct {
	seq, time, begun                                int64
	caller, operation, result, body, previous, hash string
}

// Verify looks at every record: whether it is as it was written, none is missing, and all stand in their order. Whoever can
// write to the database can also write a whole new chain and a new head; that is found by heads that were kept elsewhere,
// which are given as known. The error is about reading alone.
func (a *Audit) Verify(ctx context.Context, known ...Head) (AuditReport, error) {
	var report AuditReport
	kept, last, err := a.ends(ctx)
	if err != nil {
		return report, err
	}
	if last > kept.Seq {
		report.find(last, "it stands behind the head, which is %d", kept.Seq)
	}
	at := map[int64]string{} // What the known heads are to be.
	for _, h := range append(known, kept) {
		if hash, twice := at[h.Seq]; twice && hash != h.Hash {
			report.find(h.Seq, "the heads that are known do not agree about its hash")
		}
		at[h.Seq] = h.Hash
	}
	for report.Head.Seq < kept.Seq {
		page, err := a.page(ctx, report.Head.Seq, kept.Seq)
		if err != nil {
			return report, err
		}
		for _, row := range page {
			report.look(row, at)
		}
		if len(page) < verifyPage {
			break
		}
	}
	if report.Head.Seq < kept.Seq {
		report.find(report.Head.Seq+1, "the records from here to %d are missing", kept.Seq)
	}
	for _, h := range known {
		if h.Seq > kept.Seq {
			report.find(kept.Seq+1, "the records from here to %d, a head that is known, are missing, and the audit's own head was set back", h.Seq)
		}
	}
	return report, nil
}

// look compares one record with the one before it and with itself.
func (r *AuditReport) look(row auditRow, heads map[int64]string) {
	if want := r.Head.Seq + 1; row.seq > want {
		r.find(want, "the records from here to %d are missing", row.seq-1)
	} else if row.previous != r.Head.Hash {
		r.find(row.seq, "it does not follow the record before it")
	}
	hash := chained(row.previous, []byte(row.body))
	var said Audited
	err := json.Unmarshal([]byte(row.body), &said)
	switch {
	case hash != row.hash:
		r.find(row.seq, "it was changed: its hash is another")
	case err != nil:
		r.find(row.seq, "it cannot be read")
	case said.Seq != row.seq:
		r.find(row.seq, "it was moved here from %d", said.Seq)
	case said.Time != row.time, said.Caller != row.caller, said.Operation != row.operation, said.Result != row.result, said.Of != row.begun:
		r.find(row.seq, "what it is found by was changed")
	}
	if want, known := heads[row.seq]; known && want != row.hash {
		r.find(row.seq, "its hash is not the one of the head that is known: it, or something before it, was written anew")
	}
	r.Records, r.Head = r.Records+1, Head{Seq: row.seq, Hash: row.hash}
}

// ends returns the head as it is kept and the number of the last record, at one moment.
func (a *Audit) ends(ctx context.Context) (head Head, last int64, err error) {
	err = a.db.view(ctx, "verify the audit", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0), coalesce(max(hash), ''), (SELECT coalesce(max(seq), 0) FROM audit) FROM audit_head WHERE id = 1").
			Scan(&head.Seq, &head.Hash, &last)
	})
	return head, last, err
}

// page returns some records after one, to another at most.
func (a *Audit) page(ctx context.Context, after, to int64) (rows []auditRow, err error) {
	err = a.db.view(ctx, "verify the audit", func(ctx context.Context, q querier) error {
		rows, err = collect(ctx, q, func(scan func(...any) error) (r auditRow, err error) {
			err = scan(&r.seq, &r.time, &r.begun, &r.caller, &r.operation, &r.result, &r.body, &r.previous, &r.hash)
			return r, err
		}, `SELECT seq, time, begun, caller, operation, result, body, previous, hash FROM audit
			WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`, after, to, verifyPage)
		return err
	})
	return rows, err
}
