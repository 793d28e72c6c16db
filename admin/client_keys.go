package admin

import (
	"context"
	"net/url"
)

// Applications returns those that the query selects; its Limit and After are not looked at.
func (c *Client) Applications(ctx context.Context, q ApplicationQuery) ([]Application, error) {
	return pages(ctx, c, "/v1/applications", given("team", q.Team), func(p *struct {
		Applications []Application `json:"applications"`
		Next         string        `json:"next"`
	},
	) ([]Application, string) {
		return p.Applications, p.Next
	})
}

// Application returns one.
func (c *Client) Application(ctx context.Context, id string) (Application, error) {
	var answer Application
	err := c.get(ctx, "/v1/applications/"+url.PathEscape(id), nil, &answer)
	return answer, err
}

// CreateApplication makes an application.
func (c *Client) CreateApplication(ctx context.Context, g ApplicationGrant) (Application, error) {
	var answer Application
	err := c.post(ctx, "/v1/applications", g, &answer)
	return answer, err
}

// SetPlan gives an application a plan, "" for none.
func (c *Client) SetPlan(ctx context.Context, id, plan string) (Application, error) {
	var answer Application
	err := c.post(ctx, "/v1/applications/"+url.PathEscape(id)+"/plan", PlanChoice{Plan: plan}, &answer)
	return answer, err
}

// RevokeApplication ends an application with its keys.
func (c *Client) RevokeApplication(ctx context.Context, id string) error {
	return c.post(ctx, "/v1/applications/"+url.PathEscape(id)+"/revoke", nil, nil)
}

// Keys returns the API keys that the query selects; its Limit and After are not looked at.
func (c *Client) Keys(ctx context.Context, q KeyQuery) ([]APIKey, error) {
	return pages(ctx, c, "/v1/keys", given("application", q.Application, "team", q.Team), func(p *struct {
		Keys []APIKey `json:"keys"`
		Next string   `json:"next"`
	},
	) ([]APIKey, string) {
		return p.Keys, p.Next
	})
}

// Key returns one API key.
func (c *Client) Key(ctx context.Context, id string) (APIKey, error) {
	var answer APIKey
	err := c.get(ctx, "/v1/keys/"+url.PathEscape(id), nil, &answer)
	return answer, err
}

// CreateKey makes an API key of an application; its text is shown this once.
func (c *Client) CreateKey(ctx context.Context, application string, g KeyGrant) (CreatedKey, error) {
	var answer CreatedKey
	err := c.post(ctx, "/v1/applications/"+url.PathEscape(application)+"/keys", g, &answer)
	return answer, err
}

// RotateKey makes an API key in the place of another.
func (c *Client) RotateKey(ctx context.Context, id string, r KeyRotation) (CreatedKey, error) {
	var answer CreatedKey
	err := c.post(ctx, "/v1/keys/"+url.PathEscape(id)+"/rotate", r, &answer)
	return answer, err
}

// RevokeKey makes an API key worthless.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.post(ctx, "/v1/keys/"+url.PathEscape(id)+"/revoke", nil, nil)
}

// given is a query of names and values, without those that are empty.
func given(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
