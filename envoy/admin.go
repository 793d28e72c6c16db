package envoy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Admin speaks with the admin interface of one Envoy over its Unix socket.
type Admin struct{ client *http.Client }

// adminTimeout bounds one call when the caller's context does not: Envoy answers on its main thread, which also loads
// configuration.
const adminTimeout = 10 * time.Second

// answerMax bounds how much of an answer is read: a dump of 5,000 routes is a few megabytes.
const answerMax = 256 << 20

// NewAdmin returns an Admin for the socket at path. It opens no connection yet, and keeps none open between calls.
func NewAdmin(path string) *Admin {
	var dialer net.Dialer
	return &Admin{client: &http.Client{
		Timeout: adminTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", path)
			},
		},
	}}
}

// Get returns the answer to a query such as "/config_dump". A status other than 200 is an error.
func (a *Admin) Get(ctx context.Context, query string) ([]byte, error) {
	return a.call(ctx, http.MethodGet, query)
}

// Post orders something that changes the Envoy, such as "/healthcheck/fail".
func (a *Admin) Post(ctx context.Context, query string) error {
	_, err := a.call(ctx, http.MethodPost, query)
	return err
}

// Stats returns the counters and gauges whose whole names a regular expression (RE2) matches. Text and histograms are
// left out.
func (a *Admin) Stats(ctx context.Context, expression string) (map[string]uint64, error) {
	query := url.Values{"filter": {"^(?:" + expression + ")$"}, "histogram_buckets": {"none"}}
	answer, err := a.Get(ctx, "/stats?"+query.Encode())
	if err != nil {
		return nil, err
	}
	values := make(map[string]uint64)
	for line := range strings.Lines(string(answer)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if number, err := strconv.ParseUint(value, 10, 64); err == nil {
			values[name] = number
		}
	}
	return values, nil
}

// Connections returns how many clients are connected now, those of the admin interface apart.
func (a *Admin) Connections(ctx context.Context) (uint64, error) {
	active, err := a.Stats(ctx, `http\..*\.downstream_cx_active|tcp\..*\.downstream_cx_active`)
	if err != nil {
		return 0, err
	}
	var sum uint64
	for name, value := range active {
		if !strings.HasPrefix(name, "http.admin.") {
			sum += value
		}
	}
	return sum, nil
}

func (a *Admin) call(ctx context.Context, method, query string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://envoy"+query, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask envoy's admin: %w", err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask envoy's admin: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read from
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("read the answer of envoy's admin to %s: %w", query, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("envoy's admin answers %s with %d %s", query, response.StatusCode, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
