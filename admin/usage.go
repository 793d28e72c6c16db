package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Usage knows what was called.
type Usage interface {
	// Usage returns what the query selects, sorted by hour, API, version, operation and class.
	Usage(ctx context.Context, q UsageQuery) ([]Used, error)
}

// UsageQuery selects usage; an empty field selects all.
type UsageQuery struct {
	Since, Until            time.Time // Hours that began from Since on, and before Until.
	API, Version, Operation string
	Hourly                  bool  // Hour by hour; else the hours are added up, and Used.Hour is zero.
	After                   *Used // Only what comes after it.
	Limit                   int
}

// Used is how often an operation was called.
type Used struct {
	Hour      time.Time `json:"hour,omitzero" doc:"When the hour began; absent in a sum of hours"`
	API       string    `json:"api" doc:"\"-\" for a Route; none for what matched no route; other for names that are unknown"`
	Version   string    `json:"version"`
	Operation string    `json:"operation"`
	Class     string    `json:"class" enum:"none,1xx,2xx,3xx,4xx,5xx,other" doc:"Class of the status"`
	Requests  int64     `json:"requests"`
	Local     int64     `json:"local" doc:"Of them, answered by Envoy or Gatehouse, not by an upstream"`
	BytesIn   int64     `json:"bytes_in" doc:"Bodies of requests"`
	BytesOut  int64     `json:"bytes_out" doc:"Bodies of answers"`
	Timed     int64     `json:"timed" doc:"Of the requests, those of which it is known how long they took"`
	Latency   float64   `json:"latency_seconds" doc:"The sum of that, in seconds"`
}

// usageQuery selects usage, as it travels.
type usageQuery struct {
	PageQuery
	Since     time.Time `query:"since" doc:"Only hours that began then or later"`
	Until     time.Time `query:"until" doc:"Only hours that began before"`
	API       string    `query:"api" doc:"Only this API"`
	Version   string    `query:"version" doc:"Only this version"`
	Operation string    `query:"operation" doc:"Only this operation"`
	Hourly    bool      `query:"hourly" doc:"Hour by hour; else the hours are added up"`
}

// usageAnswer is a part of what was called.
type usageAnswer struct {
	NextPage
	Body struct {
		Usage []Used `json:"usage" nullable:"false"`
		Next  string `json:"next,omitempty" doc:"Cursor of the next page"`
	}
}

func (o *Options) describeUsage(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "listUsage", Method: http.MethodGet, Path: "/v1/usage",
		Summary: "How often each operation was called, by class of status: of all replicas, up to a minute ago",
		Errors:  []int{http.StatusUnprocessableEntity},
	}, o.listUsage)
}

// usageCursor is where a page of usage ends.
type usageCursor struct {
	Hour                           time.Time
	API, Version, Operation, Class string
}

func (o *Options) listUsage(ctx context.Context, q *usageQuery) (*usageAnswer, error) {
	query := UsageQuery{Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Hourly: q.Hourly, Limit: q.Limit}
	if query.Limit <= 0 {
		query.Limit = pageMax
	}
	if q.Cursor != "" {
		var at usageCursor
		text, err := hex.DecodeString(q.Cursor)
		if err == nil {
			err = json.Unmarshal(text, &at)
		}
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("the cursor is none that a page has told")
		}
		query.After = &Used{Hour: at.Hour, API: at.API, Version: at.Version, Operation: at.Operation, Class: at.Class}
	}
	found, err := o.Usage.Usage(ctx, query)
	if err != nil {
		return nil, asProblem(err)
	}
	answer := &usageAnswer{}
	answer.Body.Usage = append([]Used{}, found...)
	if len(found) == query.Limit {
		last := found[len(found)-1]
		text, err := json.Marshal(usageCursor{last.Hour, last.API, last.Version, last.Operation, last.Class})
		if err != nil {
			return nil, fmt.Errorf("write the cursor: %w", err)
		}
		answer.Body.Next = hex.EncodeToString(text)
	}
	answer.NextPage = q.link(answer.Body.Next, q.filters()...)
	return answer, nil
}

// filters are the query's own, for the link to the next page.
func (q *usageQuery) filters() []string {
	filters := []string{"since", stamp(q.Since), "until", stamp(q.Until), "api", q.API, "version", q.Version, "operation", q.Operation}
	if q.Hourly {
		filters = append(filters, "hourly", "true")
	}
	return filters
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// Usage returns all that the query selects; its Limit and After are not looked at.
func (c *Client) Usage(ctx context.Context, q UsageQuery) ([]Used, error) {
	query := url.Values{}
	in := usageQuery{Since: q.Since, Until: q.Until, API: q.API, Version: q.Version, Operation: q.Operation, Hourly: q.Hourly}
	filters := in.filters()
	for i := 0; i+1 < len(filters); i += 2 {
		if filters[i+1] != "" {
			query.Set(filters[i], filters[i+1])
		}
	}
	return pages(ctx, c, "/v1/usage", query, func(p *struct {
		Usage []Used `json:"usage"`
		Next  string `json:"next"`
	},
	) ([]Used, string) {
		return p.Usage, p.Next
	})
}
