package opalog

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// buffer holds encoded events that wait to be sent, the oldest first.
type buffer struct {
	limit, size int64
	events      [][]byte
}

// add keeps an event, and returns how many were dropped for it: the oldest.
func (b *buffer) add(text []byte) (dropped int64) {
	b.events = append(b.events, text)
	b.size += int64(len(text))
	for b.size > b.limit && len(b.events) > 0 {
		b.take(1)
		dropped++
	}
	return dropped
}

// take removes the oldest events.
func (b *buffer) take(count int) {
	for _, e := range b.events[:count] {
		b.size -= int64(len(e))
	}
	b.events = slices.Delete(b.events, 0, count)
}

// head returns how many events, at least one, are no more than so many bytes together.
func (b *buffer) head(limit int64) (count int) {
	var size int64
	for _, e := range b.events {
		if size += int64(len(e)) + 1; count > 0 && size > limit {
			break
		}
		count++
	}
	return count
}

// send sends all that waits. What the server does not take is kept.
func (s *Sink) send(ctx context.Context) error {
	for len(s.waiting.events) > 0 {
		count := s.waiting.head(s.options.Upload)
		list, err := compress(s.waiting.events[:count])
		if err != nil {
			return err
		}
		if err := s.options.Send(ctx, list); err != nil {
			return err
		}
		s.waiting.take(count)
	}
	return nil
}

// compress returns a list of events as OPA's API takes it.
func compress(events [][]byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte{'['}) // A buffer takes everything; Close tells of the rest.
	for i, e := range events {
		if i > 0 {
			_, _ = w.Write([]byte{','})
		}
		_, _ = w.Write(e)
	}
	_, _ = w.Write([]byte{']'})
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the decision log: %w", err)
	}
	return packed.Bytes(), nil
}

// sendLimit is how long a server may take for one list.
const sendLimit = 30 * time.Second

// Post returns what sends lists to a server (OPA's documentation, "Decision Log Service API"). head writes credentials.
func Post(client *http.Client, url string, head func(http.Header) error) func(context.Context, []byte) error {
	return func(ctx context.Context, gzipped []byte) error {
		ctx, cancel := context.WithTimeout(ctx, sendLimit)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(gzipped))
		if err != nil {
			return fmt.Errorf("send the decision log: %w", err)
		}
		if err := head(request.Header); err != nil {
			return fmt.Errorf("send the decision log: %w", err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Content-Encoding", "gzip")
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("send the decision log: %w", err)
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // So that the connection can be used again.
		if response.StatusCode/100 != 2 {
			return fmt.Errorf("the server of the decision log answers %s", response.Status)
		}
		return nil
	}
}
