package admin

import (
	"context"
	"net/url"
	"strconv"
)

// Caller returns who the client is for the daemon.
func (c *Client) Caller(ctx context.Context) (CallerInfo, error) {
	var answer CallerInfo
	err := c.get(ctx, "/v1/caller", nil, &answer)
	return answer, err
}

// CreateAccess makes an access token; its text is shown this once.
func (c *Client) CreateAccess(ctx context.Context, g AccessGrant) (CreatedAccess, error) {
	var answer CreatedAccess
	err := c.post(ctx, "/v1/access", g, &answer)
	return answer, err
}

// AccessTokens returns all access tokens, those made last first.
func (c *Client) AccessTokens(ctx context.Context) ([]AccessToken, error) {
	return pages(ctx, c, "/v1/access", nil, func(p *struct {
		Tokens []AccessToken `json:"tokens"`
		Next   string        `json:"next"`
	},
	) ([]AccessToken, string) {
		return p.Tokens, p.Next
	})
}

// RotateAccess makes an access token in the place of another.
func (c *Client) RotateAccess(ctx context.Context, id string, r AccessRotation) (CreatedAccess, error) {
	var answer CreatedAccess
	err := c.post(ctx, "/v1/access/"+url.PathEscape(id)+"/rotate", r, &answer)
	return answer, err
}

// RevokeAccess makes an access token worthless.
func (c *Client) RevokeAccess(ctx context.Context, id string) error {
	return c.post(ctx, "/v1/access/"+url.PathEscape(id)+"/revoke", nil, nil)
}

// Records returns records of the audit, newest first, and the number below which the next page begins; 0: there is none.
func (c *Client) Records(ctx context.Context, q RecordQuery) ([]Record, int64, error) {
	query := url.Values{}
	for name, value := range map[string]string{
		"caller": q.Caller, "operation": q.Operation, "result": string(q.Result), "since": moment(q.Since), "until": moment(q.Until),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Begun {
		query.Set("begun", "true")
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before > 0 {
		query.Set("cursor", strconv.FormatInt(q.Before, 10))
	}
	var answer struct {
		Records []Record `json:"records"`
		Next    string   `json:"next"`
	}
	if err := c.get(ctx, "/v1/audit", query, &answer); err != nil || answer.Next == "" {
		return answer.Records, 0, err
	}
	next, err := strconv.ParseInt(answer.Next, 10, 64)
	return answer.Records, next, err
}

// VerifyAudit looks for what is wrong with the audit, also by heads that were kept elsewhere.
func (c *Client) VerifyAudit(ctx context.Context, known []AuditHead) (AuditReport, error) {
	var answer AuditReport
	err := c.post(ctx, "/v1/audit/verify", map[string]any{"known": append([]AuditHead{}, known...)}, &answer)
	return answer, err
}
