package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Audit is the record of what people changed, or tried to. It is only added to. Each record holds the hash of the one before
// it, so that one that is changed, missing or moved is found; see Verify.
type Audit struct{ db *database }

// Audited is one record. Its JSON form is what is hashed: fields may be added, at the end and only where they are left out
// when empty, and none may be renamed.
type Audited struct {
	Seq       int64  `json:"seq"`  // From 1, without a gap.
	Time      int64  `json:"time"` // In microseconds since 1970.
	Caller    string `json:"caller"`
	Role      string `json:"role"`
	Team      string `json:"team,omitempty"`
	From      string `json:"from"`
	Operation string `json:"operation"`
	Method    string `json:"method,omitempty"`
	Target    string `json:"target,omitempty"` // What it is about, such as a path.
	Result    string `json:"result"`
	Status    int    `json:"status,omitempty"`
	Of        int64  `json:"of,omitempty"`     // The record of the beginning, for one that tells the end.
	Body      string `json:"body,omitempty"`   // SHA-256 of what was asked.
	Before    string `json:"before,omitempty"` // Digest or short words.
	After     string `json:"after,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

// When returns the time of the record.
func (a Audited) When() time.Time { return at(a.Time) }

// Head names the last record of an audit: whoever keeps one elsewhere can tell that nothing before it was taken away.
type Head struct {
	Seq  int64
	Hash string // In hex; "" before the first record.
}

// AuditQuery selects records; an empty field selects all.
type AuditQuery struct {
	Caller, Operation, Result string
	Since, Until              time.Time // From Since on, before Until.
	Before                    int64     // Only lower numbers.
	Limit                     int       // 0 stands for all.
	Begun                     bool      // Also the beginnings of what has ended.
}

// Begun is the result of a record that tells of a beginning; another one tells the end, with Of.
const Begun = "begun"

// Append adds a record, gives it its number and time, and returns it with the head that it makes. It is on the disk then.
func (a *Audit) Append(ctx context.Context, r Audited) (added Audited, head Head, err error) {
	err = a.db.change(ctx, "append to the audit", func(ctx context.Context, tx *transaction) error {
		var before string
		if _, err := exec(ctx, tx, "INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '') ON CONFLICT (id) DO NOTHING"); err != nil {
			return err
		}
		// The row of the head is the lock: of several replicas one goes on.
		row := tx.QueryRowContext(ctx, "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
		if err := row.Scan(&r.Seq, &before); err != nil {
			return err
		}
		r.Time = moment(a.db.now())
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		head = Head{Seq: r.Seq, Hash: chained(before, body)}
		if _, err := exec(ctx, tx, `INSERT INTO audit (seq, time, caller, operation, result, begun, body, previous, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.Seq, r.Time, r.Caller, r.Operation, r.Result, r.Of, string(body), before, head.Hash); err != nil {
			return err
		}
		_, err = exec(ctx, tx, "UPDATE audit_head SET hash = $1 WHERE id = 1", head.Hash)
		return err
	})
	if err != nil {
		return Audited{}, Head{}, err
	}
	return r, head, nil
}

// chained is the hash of a record's body behind another's hash.
func chained(previous string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(previous + "\n"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// Head returns the last record's number and hash, as they are kept beside the records.
func (a *Audit) Head(ctx context.Context) (head Head, err error) {
	err = a.db.view(ctx, "read the head of the audit", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0), coalesce(max(hash), '') FROM audit_head WHERE id = 1").Scan(&head.Seq, &head.Hash)
	})
	return head, err
}

// List returns records, newest first.
func (a *Audit) List(ctx context.Context, query AuditQuery) (found []Audited, err error) {
	limit, until := int64(query.Limit), moment(query.Until)
	if limit <= 0 {
		limit = 1 << 31
	}
	if until == 0 {
		until = 1 << 62
	}
	before := query.Before
	if before <= 0 {
		before = 1 << 62
	}
	err = a.db.view(ctx, "list the audit", func(ctx context.Context, q querier) error {
		found, err = collect(ctx, q, func(scan func(...any) error) (r Audited, err error) {
			var body string
			if err := scan(&body); err != nil {
				return r, err
			}
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				return r, fmt.Errorf("%w: a record of the audit: %w", ErrCorrupt, err)
			}
			return r, nil
		}, `SELECT body FROM audit a WHERE ($1 = '' OR caller = $1) AND ($2 = '' OR operation = $2) AND ($3 = '' OR result = $3)
			AND time >= $4 AND time < $5 AND seq < $6
			AND ($7 OR result <> 'begun' OR NOT EXISTS (SELECT 1 FROM audit e WHERE e.begun = a.seq))
			ORDER BY seq DESC LIMIT $8`,
			query.Caller, query.Operation, query.Result, moment(query.Since), until, before, query.Begun, limit)
		return err
	})
	return found, err
}
