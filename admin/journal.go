package admin

import (
	"context"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

// Journal keeps the audit: what was attempted, by whom, and what came of it. It is only added to.
type Journal interface {
	// Append adds a record and returns its number. It is kept for good when this returns nil.
	Append(ctx context.Context, r Record) (int64, error)
	// Records returns records, newest first.
	Records(ctx context.Context, q RecordQuery) ([]Record, error)
	// Verify looks for records that were changed, are missing or were moved, also by heads that were kept elsewhere.
	Verify(ctx context.Context, known []AuditHead) (AuditReport, error)
}

// Result is what came of an attempt.
type Result string

// The results.
const (
	Begun  Result = "begun"  // It is under way, or its end could not be recorded.
	Done   Result = "done"   // It was done.
	Denied Result = "denied" // The caller may not.
	Failed Result = "failed" // It was refused for another reason, or failed.
)

// Record is one line of the audit.
type Record struct {
	Seq       int64     `json:"seq" doc:"From 1, without a gap"`
	Time      time.Time `json:"time"`
	Caller    string    `json:"caller" doc:"As the socket, a token or a certificate proved; empty: nobody was proven"`
	Role      Role      `json:"role,omitempty"`
	Team      string    `json:"team,omitempty"`
	From      string    `json:"from" doc:"The peer's address, or socket"`
	Operation string    `json:"operation"`
	Method    string    `json:"method,omitempty"`
	Target    string    `json:"target,omitempty" doc:"The path"`
	Result    Result    `json:"result" enum:"begun,done,denied,failed"`
	Status    int       `json:"status,omitempty" doc:"HTTP status of the answer"`
	Of        int64     `json:"of,omitempty" doc:"Number of the record that tells of the beginning"`
	Body      string    `json:"body,omitempty" doc:"SHA-256 of the request's body, in hex"`
	Before    string    `json:"before,omitempty" doc:"What was there before: a version, or the SHA-256 of it"`
	After     string    `json:"after,omitempty" doc:"What is there now"`
	Detail    string    `json:"detail,omitempty" doc:"In words, without secrets"`
}

// RecordQuery selects records; an empty field selects all.
type RecordQuery struct {
	Caller, Operation string
	Result            Result
	Since, Until      time.Time
	Before            int64 // Only lower numbers; 0: all.
	Limit             int
	Begun             bool // Also the beginnings of what has ended.
}

// AuditHead names the last record at some time. Whoever keeps one elsewhere can tell that nothing before it was taken away.
type AuditHead struct {
	Seq  int64  `json:"seq" minimum:"0"`
	Hash string `json:"hash" maxLength:"64" pattern:"^[0-9a-f]*$" doc:"SHA-256 in hex; empty before the first record"`
}

// AuditReport is what came of looking at the whole audit.
type AuditReport struct {
	Records  int64          `json:"records"`
	Head     AuditHead      `json:"head" doc:"Of the last record; keep it elsewhere"`
	Findings []AuditFinding `json:"findings" nullable:"false" doc:"What is wrong; empty: nothing"`
	More     bool           `json:"more,omitempty" doc:"There are more findings than are told"`
}

// AuditFinding is one thing that is wrong with the audit.
type AuditFinding struct {
	Seq  int64  `json:"seq"`
	What string `json:"what"`
}

// textMax bounds a text in a record, in bytes.
const textMax = 512

// journalTimeout bounds the writing of a record. It is not the caller's time: what was done is recorded though the caller hangs up.
const journalTimeout = 5 * time.Second

// record adds who calls and what for, and appends.
func (d *door) record(r *http.Request, op operation, rec Record) error {
	_, err := d.append(r, op, rec)
	return err
}

func (d *door) append(r *http.Request, op operation, rec Record) (int64, error) {
	caller := CallerOf(r.Context())
	rec.Caller, rec.Role, rec.Team, rec.From = shortened(caller.Name), caller.Role, caller.Team, shortened(caller.From)
	rec.Operation, rec.Method, rec.Target, rec.Detail = op.id, r.Method, shortened(r.URL.Path), shortened(rec.Detail)
	rec.Before, rec.After = shortened(rec.Before), shortened(rec.After)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), journalTimeout)
	defer cancel()
	return d.options.Journal.Append(ctx, rec)
}

// shortened bounds a text that somebody else wrote.
func shortened(text string) string {
	clean := make([]rune, 0, min(len(text), textMax))
	for _, c := range text {
		if len(clean) == textMax {
			break
		}
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			c = '?'
		}
		clean = append(clean, c)
	}
	return string(clean)
}

// allowance bounds how many records those can make who have proven nothing.
type allowance struct {
	limit *rate.Limiter
	mu    sync.Mutex
	left  int // Not recorded since the last one that was.
}

const (
	strangersPerSecond = 1
	strangersBurst     = 60
)

func newAllowance() *allowance {
	return &allowance{limit: rate.NewLimiter(strangersPerSecond, strangersBurst)}
}

// take returns whether one more is recorded, and how many before it were not.
func (a *allowance) take() (ok bool, before int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.limit.Allow() {
		a.left++
		return false, 0
	}
	before, a.left = a.left, 0
	return true, before
}

// stranger records a write that was attempted by nobody known. It was refused already: a journal that is away changes nothing.
func (d *door) stranger(r *http.Request, op operation, refused *refusedRequest) {
	if !op.changes || refused.status == http.StatusServiceUnavailable {
		return
	}
	ok, before := d.strangers.take()
	if !ok {
		return
	}
	detail := "no proof of who calls"
	if refused.status != http.StatusUnauthorized {
		detail = "not looked at: " + http.StatusText(refused.status)
	}
	if before > 0 {
		detail += ", as often before without a record"
	}
	ctx := WithCaller(r.Context(), Caller{From: r.RemoteAddr})
	if err := d.record(r.WithContext(ctx), op, Record{Result: Denied, Status: refused.status, Detail: detail}); err != nil {
		d.options.Logger.Error("the audit cannot be written", "operation", op.id, "error", err)
	}
}
