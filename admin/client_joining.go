package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// CreateToken makes a token; its text is shown this once.
func (c *Client) CreateToken(ctx context.Context, g Grant) (CreatedToken, error) {
	var answer CreatedToken
	err := c.post(ctx, "/v1/tokens", g, &answer)
	return answer, err
}

// Tokens returns all tokens, those made last first.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	return pages(ctx, c, "/v1/tokens", nil, func(p *struct {
		Tokens []Token `json:"tokens"`
		Next   string  `json:"next"`
	},
	) ([]Token, string) {
		return p.Tokens, p.Next
	})
}

// RevokeToken makes a token worthless.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.post(ctx, "/v1/tokens/"+url.PathEscape(id)+"/revoke", nil, nil)
}

// Roots returns the roots of the authority, the oldest first.
func (c *Client) Roots(ctx context.Context) ([]Root, error) {
	var answer struct {
		Roots []Root `json:"roots"`
	}
	err := c.get(ctx, "/v1/roots", nil, &answer)
	return answer.Roots, err
}

// RotateRoot makes the authority's next root, or lets the one that is next sign.
func (c *Client) RotateRoot(ctx context.Context) ([]Root, error) {
	var answer struct {
		Roots []Root `json:"roots"`
	}
	err := c.post(ctx, "/v1/roots/rotate", nil, &answer)
	return answer.Roots, err
}

// post sends JSON (nil: nothing) and reads the JSON answer into out (nil: there is none).
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask the management API: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, body)
	if err != nil {
		return fmt.Errorf("ask the management API: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	return c.do(request, out)
}
