package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/store"
)

// headFile is where the audit's head is kept outside of the store, in the state directory.
const headFile = "audit.head"

// journal keeps the audit in the store, and its head beside it.
type journal struct {
	*Server
	mu   sync.Mutex
	last int64 // Number of the head in the file.
}

// Append adds a record.
func (j *journal) Append(ctx context.Context, r admin.Record) (int64, error) {
	if j.store == nil {
		return 0, store.ErrClosed
	}
	added, head, err := j.store.Audit.Append(ctx, store.Audited{
		Caller: r.Caller, Role: string(r.Role), Team: r.Team, From: r.From, Operation: r.Operation, Method: r.Method, Target: r.Target,
		Result: string(r.Result), Status: r.Status, Of: r.Of, Body: r.Body, Before: r.Before, After: r.After, Detail: r.Detail,
	})
	if err != nil {
		return 0, err
	}
	if err := j.keep(head); err != nil {
		j.log.Warn("the audit's head cannot be kept outside of the store", "error", err)
	}
	return added.Seq, nil
}

// keep writes the head into its file. A power cut may lose the last ones: each that is there is good to verify by.
func (j *journal) keep(head store.Head) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if head.Seq <= j.last {
		return nil
	}
	text, err := json.Marshal(admin.AuditHead(head))
	if err != nil {
		return err
	}
	path := filepath.Join(j.options.State, headFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	j.last = head.Seq
	return nil
}

// kept returns the head in the file, if there is one.
func (j *journal) kept() ([]store.Head, error) {
	text, err := os.ReadFile(filepath.Join(j.options.State, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var head admin.AuditHead
	if err == nil {
		err = json.Unmarshal(text, &head)
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit's head that is kept outside of the store: %w", err)
	}
	return []store.Head{store.Head(head)}, nil
}

// Records returns records, newest first.
func (j *journal) Records(ctx context.Context, q admin.RecordQuery) ([]admin.Record, error) {
	found, err := j.store.Audit.List(ctx, store.AuditQuery{
		Caller: q.Caller, Operation: q.Operation, Result: string(q.Result), Since: q.Since, Until: q.Until,
		Before: q.Before, Limit: q.Limit, Begun: q.Begun,
	})
	if err != nil {
		return nil, storeAway(err)
	}
	records := make([]admin.Record, len(found))
	for i, r := range found {
		records[i] = admin.Record{
			Seq: r.Seq, Time: r.When(), Caller: r.Caller, Role: admin.Role(r.Role), Team: r.Team, From: r.From, Operation: r.Operation,
			Method: r.Method, Target: r.Target, Result: admin.Result(r.Result), Status: r.Status, Of: r.Of, Body: r.Body,
			Before: r.Before, After: r.After, Detail: r.Detail,
		}
	}
	return records, nil
}

// Verify looks at the whole audit, also by the head that is kept outside of the store.
func (j *journal) Verify(ctx context.Context, known []admin.AuditHead) (admin.AuditReport, error) {
	heads, err := j.kept()
	out := admin.AuditReport{}
	if err != nil {
		out.Findings = append(out.Findings, admin.AuditFinding{What: err.Error()})
	}
	for _, h := range known {
		heads = append(heads, store.Head(h))
	}
	report, err := j.store.Audit.Verify(ctx, heads...)
	if err != nil {
		return out, storeAway(err)
	}
	out.Records, out.Head, out.More = report.Records, admin.AuditHead(report.Head), report.More
	for _, f := range report.Findings {
		out.Findings = append(out.Findings, admin.AuditFinding(f))
	}
	return out, nil
}
