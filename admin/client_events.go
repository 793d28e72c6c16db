package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// silenceMax is how long nothing may come before the daemon counts as gone; it says something every 10 s.
	silenceMax = 30 * time.Second
	// eventMax bounds a line of the stream, in bytes.
	eventMax = 64 << 10
)

// ErrLost tells that events are missing: ask anew for what is to be known, and watch again.
var ErrLost = errors.New("events were lost")

// Watch calls do with each event as it comes, after the one of an id ("": from now on), until ctx ends (then it returns nil), do
// fails, or the stream ends: with an error that wraps ErrLost where events are missing, or ErrAway. Events tell that something
// changed, not all about it. ready, if not nil, is called once when the stream has begun: what changes from then on is told.
func (c *Client) Watch(ctx context.Context, after string, ready func(), do func(Event) error) error {
	streaming, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := c.question(streaming, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream, application/problem+json;q=0.5")
	if after != "" {
		request.Header.Set("Last-Event-ID", after)
	}
	c.authorize(request)
	quiet := time.AfterFunc(silenceMax, cancel)
	defer quiet.Stop()
	endless := *c.http
	endless.Timeout = 0
	response, err := endless.Do(request)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("%w at %s: %w", ErrAway, c.address, reason(err))
	}
	defer func() { _ = response.Body.Close() }() // Only read from.
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
		if err != nil {
			return fmt.Errorf("read the management API's answer: %w", err)
		}
		return refusal(response.StatusCode, body)
	}
	if ready != nil {
		ready()
	}
	err = c.follow(response.Body, quiet, do)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow reads a stream of events to its end.
func (c *Client) follow(stream io.Reader, quiet *time.Timer, do func(Event) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, eventMax)
	for lines.Scan() {
		quiet.Reset(silenceMax)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue // The id and the kind are in the data as well.
		}
		var event Event
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return fmt.Errorf("what answers at %s is not Gatehouse's management API: %w", c.address, err)
		}
		if event.Kind == EventLost {
			return ErrLost
		}
		if err := do(event); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w at %s: the events ended", ErrAway, c.address)
}
