package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
)

// ErrAway tells that nobody answers at the address of the management API.
var ErrAway = errors.New("no answer from the management API")

// ErrNotReady tells that the daemon answers, and is not ready.
var ErrNotReady = errors.New("not ready")

// Bounds of one call.
const (
	dialTimeout = 2 * time.Second
	callTimeout = 10 * time.Second
	answerMax   = 64 << 20
)

// Client asks a running Gatehouse. It may be used by several goroutines.
type Client struct {
	address string
	base    string
	token   string
	http    *http.Client
}

// Dial returns a client for the management API at "unix:/path", "IP:port" on loopback, or "https://host:port"; token is asked
// for only over TCP. A certificate must be of an authority that this machine trusts. No connection is opened yet. The error is about
// the address.
func Dial(address, token string) (*Client, error) {
	network, target, base := "tcp", address, "http://"+address
	if path, ok := strings.CutPrefix(address, envoy.SocketScheme); ok {
		if path == "" {
			return nil, fmt.Errorf("the address %q names no socket: write unix:/path", address)
		}
		network, target, base = "unix", path, "http://localhost"
	} else if host, ok := strings.CutPrefix(address, "https://"); ok {
		if u, err := url.Parse(address); err != nil || u.Port() == "" || u.Host != host {
			return nil, fmt.Errorf("the address %q is not https://host:port", address)
		}
		target, base = host, address
	} else if ap, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("the address %q is neither unix:/path nor IP:port nor https://host:port", address)
	} else if !ap.Addr().IsLoopback() {
		return nil, fmt.Errorf("the address %s is not on this machine, and the token would travel in the clear: use a Unix socket, 127.0.0.1 or https", address)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Client{address: address, base: base, token: token, http: &http.Client{
		Timeout: callTimeout,
		Transport: &http.Transport{
			Proxy:             nil, // Never through a proxy of the environment.
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, target)
			},
		},
	}}, nil
}

// Ready returns nil when the daemon is ready; otherwise an error that wraps ErrNotReady and tells why, or ErrAway.
func (c *Client) Ready(ctx context.Context) error {
	err := c.get(ctx, "/readyz", nil, &struct{}{})
	if refused, ok := errors.AsType[*refusedError](err); ok && refused.status == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s", ErrNotReady, refused.detail)
	}
	return err
}

// Nodes returns every node, or those of one fleet where it is not empty.
func (c *Client) Nodes(ctx context.Context, fleet string) ([]Node, error) {
	query := url.Values{}
	if fleet != "" {
		query.Set("fleet", fleet)
	}
	return pages(ctx, c, "/v1/nodes", query, func(p *struct {
		Nodes []Node `json:"nodes"`
		Next  string `json:"next"`
	},
	) ([]Node, string) {
		return p.Nodes, p.Next
	})
}

// Node returns one node with its resources.
func (c *Client) Node(ctx context.Context, fleet, node string) (NodeDetail, error) {
	var answer NodeDetail
	err := c.get(ctx, "/v1/nodes/"+url.PathEscape(fleet)+"/"+url.PathEscape(node), nil, &answer)
	return answer, err
}

// Retry sends a node once more what it refused.
func (c *Client) Retry(ctx context.Context, fleet, node string) error {
	return c.post(ctx, "/v1/nodes/"+url.PathEscape(fleet)+"/"+url.PathEscape(node)+"/retry", nil, nil)
}

// Revision returns the configuration in use.
func (c *Client) Revision(ctx context.Context) (Revision, error) {
	var answer Revision
	err := c.get(ctx, "/v1/revision", nil, &answer)
	return answer, err
}

// Explain returns the way of a request by the revision in use.
func (c *Client) Explain(ctx context.Context, q Query) (Answer, error) {
	query := url.Values{"method": {q.Method}, "url": {q.URL}}
	for name, values := range q.Headers {
		for _, value := range values {
			query.Add("header", name+":"+value)
		}
	}
	if q.Fleet != "" {
		query.Set("fleet", q.Fleet)
	}
	var answer Answer
	err := c.get(ctx, "/v1/explain", query, &answer)
	return answer, err
}

// refusedError is a problem document that came as an answer.
type refusedError struct {
	status int
	detail string
}

// Error returns the detail, which is written for people.
func (e *refusedError) Error() string { return e.detail }

// get asks and reads the JSON answer into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.ask(ctx, http.MethodGet, path, query, out)
}

// pages asks for every page of a list.
func pages[P, T any](ctx context.Context, c *Client, path string, query url.Values, of func(*P) ([]T, string)) ([]T, error) {
	all := []T{}
	if query == nil {
		query = url.Values{}
	}
	for {
		var p P
		if err := c.get(ctx, path, query, &p); err != nil {
			return nil, err
		}
		part, next := of(&p)
		all = append(all, part...)
		if next == "" {
			return all, nil
		}
		query.Set("cursor", next)
	}
}

// ask sends a request without a body and reads the JSON answer into out; nil: there is none.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, out any) error {
	request, err := c.question(ctx, method, path, query)
	if err != nil {
		return err
	}
	return c.do(request, out)
}

// fetch asks and returns the answer as it came.
func (c *Client) fetch(ctx context.Context, path string, query url.Values) ([]byte, error) {
	request, err := c.question(ctx, http.MethodGet, path, query)
	if err != nil {
		return nil, err
	}
	return c.send(request)
}

func (c *Client) question(ctx context.Context, method, path string, query url.Values) (*http.Request, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the management API: %w", err)
	}
	return request, nil
}

// do sends a request and reads the JSON answer into out; nil: there is none.
func (c *Client) do(request *http.Request, out any) error {
	body, err := c.send(request)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("what answers at %s is not Gatehouse's management API: %w", c.address, err)
	}
	return nil
}

// send sends a request and returns the body of an answer that is no refusal.
func (c *Client) send(request *http.Request) ([]byte, error) {
	c.authorize(request)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrAway, c.address, reason(err))
	}
	defer func() { _ = response.Body.Close() }() // Only read from.
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("read the management API's answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(response.StatusCode, body)
	}
	return body, nil
}

// authorize shows the client's token.
func (c *Client) authorize(request *http.Request) {
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// reason strips the URL, which says nothing on a socket, from an error of net/http.
func reason(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
