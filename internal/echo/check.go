package echo

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// Check asks the backend at an address whether it answers; network and address are those of net.Dial. Any status below
// 500 will do. The wait is ctx's.
func Check(ctx context.Context, network, address string) error {
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://echo/", http.NoBody)
	if err != nil {
		return fmt.Errorf("check echo: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("check echo: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // not read
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("check echo: it answers with %s", response.Status)
	}
	return nil
}
