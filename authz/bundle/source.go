package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Source is where a bundle comes from.
type Source interface {
	// Fetch returns the archive as it is now, or Unchanged where it is what had this ETag. It waits no longer than its
	// own bounds say, or than until ctx ends. The error holds no secret.
	Fetch(ctx context.Context, etag string) (Fetched, error)
}

// Fetched is what a Source had.
type Fetched struct {
	Archive   []byte
	ETag      string
	Unchanged bool
}

// Server is a bundle on an HTTP server (OPA's documentation, "Bundle Service API").
type Server struct {
	URL    string
	Client *http.Client
	// Head writes what a request must carry besides, such as credentials; nil: nothing.
	Head  func(http.Header) error
	Limit int64         // In bytes, packed; 0: DefaultLimit.
	Wait  time.Duration // How long the server may hold the answer back until there is something new (long polling); 0: not at all.
}

// fetchLimit is how long one answer may take, beyond what the server may hold it back.
const fetchLimit = 30 * time.Second

// Fetch asks the server, with If-None-Match where something is known.
func (s Server) Fetch(ctx context.Context, etag string) (Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit+s.Wait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
	if err != nil {
		return Fetched{}, fmt.Errorf("ask for the bundle: %w", err)
	}
	if s.Head != nil {
		if err := s.Head(request.Header); err != nil {
			return Fetched{}, fmt.Errorf("ask for the bundle: %w", err)
		}
	}
	request.Header.Set("Prefer", s.prefer())
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return Fetched{}, fmt.Errorf("ask for the bundle: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return Fetched{Unchanged: true, ETag: etag}, nil
	default:
		return Fetched{}, fmt.Errorf("the server of the bundle answers %s", response.Status)
	}
	limit := Options{Limit: s.Limit}.limit()
	archive, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return Fetched{}, fmt.Errorf("read the bundle: %w", err)
	}
	if int64(len(archive)) > limit {
		return Fetched{}, fmt.Errorf("the server's bundle has more than %d bytes: %w", limit, ErrSize)
	}
	return Fetched{Archive: archive, ETag: response.Header.Get("Etag")}, nil
}

func (s Server) prefer() string {
	if s.Wait == 0 {
		return "modes=snapshot"
	}
	return "modes=snapshot;wait=" + strconv.FormatInt(int64(s.Wait/time.Second), 10)
}

// File is a bundle in a file.
type File struct {
	Path  string
	Limit int64 // In bytes; 0: DefaultLimit.
}

// Fetch reads the file, unless it has the size and the time that it had.
func (f File) Fetch(_ context.Context, etag string) (Fetched, error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return Fetched{}, fmt.Errorf("read the bundle: %w", err)
	}
	if info.IsDir() {
		return Fetched{}, fmt.Errorf("read the bundle: %w", errors.New(f.Path+" is a directory, not an archive"))
	}
	now := fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())
	if now == etag {
		return Fetched{Unchanged: true, ETag: etag}, nil
	}
	archive, err := readFile(f.Path, Options{Limit: f.Limit}.limit())
	if err != nil {
		return Fetched{}, err
	}
	return Fetched{Archive: archive, ETag: now}, nil
}
