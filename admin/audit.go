package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// auditQuery selects records, as it travels.
type auditQuery struct {
	Caller    string    `query:"caller" maxLength:"512"`
	Operation string    `query:"operation" maxLength:"64" doc:"The operation's id in this document"`
	Result    string    `query:"result" enum:"begun,done,denied,failed"`
	Since     time.Time `query:"since" doc:"From this time on"`
	Until     time.Time `query:"until" doc:"Before this time"`
	Begun     bool      `query:"begun" doc:"Also the beginnings of what has ended"`
	Limit     int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
	Cursor    int64     `query:"cursor" minimum:"1" doc:"Only numbers below this one"`
}

// auditAnswer is a list of records.
type auditAnswer struct {
	NextPage
	Body struct {
		Records []Record `json:"records" nullable:"false" doc:"Newest first"`
		Next    string   `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

// describeAudit registers the operations about the audit.
func (o *Options) describeAudit(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listAudit", Method: http.MethodGet, Path: "/v1/audit",
		Summary: "What was attempted through this API, by whom, and what came of it",
	}, o.listAudit)
	huma.Register(api, huma.Operation{
		OperationID: "verifyAudit", Method: http.MethodPost, Path: "/v1/audit/verify",
		Summary: "Look for records of the audit that were changed, are missing or were moved",
	}, func(ctx context.Context, in *struct {
		Body struct {
			Known []AuditHead `json:"known,omitempty" maxItems:"100" doc:"Heads that were kept elsewhere"`
		}
	},
	) (*struct{ Body AuditReport }, error) {
		report, err := o.Journal.Verify(ctx, in.Body.Known)
		if err != nil {
			return nil, asProblem(err)
		}
		report.Findings = append([]AuditFinding{}, report.Findings...)
		return &struct{ Body AuditReport }{report}, nil
	})
}

func (o *Options) listAudit(ctx context.Context, q *auditQuery) (*auditAnswer, error) {
	found, err := o.Journal.Records(ctx, RecordQuery{
		Caller: q.Caller, Operation: q.Operation, Result: Result(q.Result), Since: q.Since, Until: q.Until,
		Before: q.Cursor, Limit: q.Limit + 1, Begun: q.Begun,
	})
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &auditAnswer{}
	answer.Body.Records = append([]Record{}, found...)
	if len(found) > q.Limit {
		answer.Body.Records = answer.Body.Records[:q.Limit]
		answer.Body.Next = strconv.FormatInt(found[q.Limit-1].Seq, 10)
		answer.NextPage = PageQuery{Limit: q.Limit}.link(answer.Body.Next, "caller", q.Caller, "operation", q.Operation, "result", q.Result,
			"since", moment(q.Since), "until", moment(q.Until), "begun", strconv.FormatBool(q.Begun))
	}
	return answer, nil
}

// moment writes a time as a query takes it, and nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
