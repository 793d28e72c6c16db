package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/gateway"
)

// Decisions knows what was decided about requests.
type Decisions interface {
	// DecisionsOf returns what is recorded of a request, by its id; nothing where nothing is.
	DecisionsOf(ctx context.Context, request string) (DecisionsOfRequest, error)
	// Decisions returns decisions, about the newest first, and where the next page begins, "" at the end. A page may be short and
	// not be the last.
	Decisions(ctx context.Context, q DecisionQuery) (found []gateway.Decision, next string, err error)
}

// DecisionsOfRequest is what is known of one request.
type DecisionsOfRequest struct {
	RequestID string              `json:"request_id"`
	Decisions []gateway.Decision  `json:"decisions" nullable:"false" doc:"In the order of time"`
	Why       []DecisionStatement `json:"why" nullable:"false" doc:"The same in words"`
	Elsewhere []string            `json:"elsewhere" nullable:"false" doc:"Other replicas that did not answer in time, and may know more: each records what it was asked"`
}

// DecisionStatement is one thing to say about a request.
type DecisionStatement struct {
	About string `json:"about" doc:"What it is about, in a word"`
	Text  string `json:"text"`
}

// DecisionQuery selects decisions; an empty field selects all.
type DecisionQuery struct {
	Since, Until            time.Time
	API, Version, Operation string
	Result                  string
	Consumer                string
	Refused                 bool
	Limit                   int
	After                   string // Where the page before ended.
}

// decisionsQuery selects decisions, as it travels.
type decisionsQuery struct {
	PageQuery
	Since     time.Time `query:"since" doc:"Only decisions from then on"`
	Until     time.Time `query:"until" doc:"Only decisions before"`
	API       string    `query:"api" doc:"Only of this API"`
	Version   string    `query:"version" doc:"Only of this version"`
	Operation string    `query:"operation" doc:"Only of this operation"`
	Result    string    `query:"result" doc:"Only with this result"`
	Consumer  string    `query:"consumer" doc:"Only of this consumer"`
	Refused   bool      `query:"refused" doc:"Only refusals"`
}

// decisionsAnswer is a part of what was decided.
type decisionsAnswer struct {
	NextPage
	Body struct {
		Decisions []gateway.Decision `json:"decisions" nullable:"false"`
		Next      string             `json:"next,omitempty" doc:"Cursor of the next page; a page may be short, or empty, and not be the last"`
	}
}

// decisionPath names a request.
type decisionPath struct {
	Request string `path:"request" maxLength:"128" doc:"The request's id, as x-request-id and the problem document have it"`
}

// decisionAnswer is what is known of one request.
type decisionAnswer struct{ Body DecisionsOfRequest }

func (o *Options) describeDecisions(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listDecisions", Method: http.MethodGet, Path: "/v1/decisions",
		Summary: "What was decided about requests, about the newest first: what this replica recorded and still has",
		Errors:  []int{http.StatusUnprocessableEntity},
	}, o.listDecisions)
	huma.Register(api, huma.Operation{
		OperationID: "getDecision", Method: http.MethodGet, Path: "/v1/decisions/{request}",
		Summary: "What was decided about one request, and why, in words",
		Errors:  []int{http.StatusNotFound},
	}, o.getDecision)
}

func (o *Options) listDecisions(ctx context.Context, q *decisionsQuery) (*decisionsAnswer, error) {
	query := DecisionQuery{
		Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Result: q.Result, Consumer: q.Consumer,
		Refused: q.Refused, Limit: q.Limit,
	}
	if query.Limit <= 0 {
		query.Limit = pageMax
	}
	if q.Cursor != "" {
		text, err := hex.DecodeString(q.Cursor)
		if err != nil || !json.Valid(text) {
			return nil, huma.Error422UnprocessableEntity("the cursor is none that a page has told")
		}
		query.After = string(text)
	}
	found, next, err := o.Decisions.Decisions(ctx, query)
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &decisionsAnswer{}
	answer.Body.Decisions = append([]gateway.Decision{}, found...)
	if next != "" {
		answer.Body.Next = hex.EncodeToString([]byte(next))
	}
	answer.NextPage = q.link(answer.Body.Next, q.filters()...)
	return answer, nil
}

// filters are the query's own, for the link to the next page.
func (q *decisionsQuery) filters() []string {
	filters := []string{
		"since", stamp(q.Since), "until", stamp(q.Until), "api", q.API, "version", q.Version, "operation", q.Operation,
		"result", q.Result, "consumer", q.Consumer,
	}
	if q.Refused {
		filters = append(filters, "refused", "true")
	}
	return filters
}

func (o *Options) getDecision(ctx context.Context, in *decisionPath) (*decisionAnswer, error) {
	found, err := o.Decisions.DecisionsOf(ctx, in.Request)
	if err != nil {
		return nil, asProblem(err)
	}
	if len(found.Decisions) == 0 {
		return nil, huma.Error404NotFound(unknownRequest(in.Request, found.Elsewhere))
	}
	return &decisionAnswer{found}, nil
}

// unknownRequest says why nothing may be known of a request.
func unknownRequest(request string, elsewhere []string) string {
	text := fmt.Sprintf("nothing is recorded of the request %s: it was let through by an Envoy alone, it is not a second old, or it is so old that its record is gone", request)
	if len(elsewhere) > 0 {
		text += "; or a replica knows of it that did not answer: " + strings.Join(elsewhere, ", ")
	}
	return text
}

// DecisionsOf returns what is recorded of a request.
func (c *Client) DecisionsOf(ctx context.Context, request string) (DecisionsOfRequest, error) {
	var answer DecisionsOfRequest
	err := c.get(ctx, "/v1/decisions/"+url.PathEscape(request), nil, &answer)
	return answer, err
}

// Decisions returns all that the query selects, about the newest first; its Limit and After are not looked at.
func (c *Client) Decisions(ctx context.Context, q DecisionQuery) ([]gateway.Decision, error) {
	query := url.Values{}
	in := decisionsQuery{
		Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Result: q.Result, Consumer: q.Consumer, Refused: q.Refused,
	}
	filters := in.filters()
	for i := 0; i+1 < len(filters); i += 2 {
		if filters[i+1] != "" {
			query.Set(filters[i], filters[i+1])
		}
	}
	return pages(ctx, c, "/v1/decisions", query, func(p *struct {
		Decisions []gateway.Decision `json:"decisions"`
		Next      string             `json:"next"`
	},
	) ([]gateway.Decision, string) {
		return p.Decisions, p.Next
	})
}
