// Package echo is a small HTTP backend that answers with what it received, for examples, tests and benchmarks.
//
// In: settings and requests over HTTP/1.1 or HTTP/2 without TLS. Out: JSON that says method, path, query, headers and body
// size as they arrived, after a delay and with a status that settings or the request choose.
package echo

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers by which one request chooses its own answer. A value that is not understood is refused with 400.
const (
	HeaderStatus = "x-echo-status" // 200 to 599
	HeaderDelay  = "x-echo-delay"  // a duration such as 250ms, at most DelayMax
	HeaderSize   = "x-echo-size"   // bytes of the body, at most SizeMax
)

// Bounds of what settings and requests may choose.
const (
	DelayMax = time.Minute
	SizeMax  = 16 << 20
)

// Settings say how a backend answers.
type Settings struct {
	// Name is what the backend calls itself in its answers, to tell one from another.
	Name string
	// Status is the status of each answer; 0 means 200.
	Status int
	// Delay is the time before each answer.
	Delay time.Duration
	// Size, where it is not 0, is the number of bytes of each answer, which is then plain text instead of JSON.
	Size int
}

// Answer is the JSON of an answer. Header names are in lower case and sorted, values in the order of their arrival.
type Answer struct {
	Name     string              `json:"name"`
	Protocol string              `json:"protocol"` // such as HTTP/1.1
	Method   string              `json:"method"`
	Host     string              `json:"host"`
	Path     string              `json:"path"` // as it arrived, still encoded
	Query    string              `json:"query,omitempty"`
	Headers  map[string][]string `json:"headers"`
	Body     int64               `json:"body"` // bytes
}

// New returns the backend. Settings out of bounds are an error.
func New(s Settings) (http.Handler, error) {
	if s.Status == 0 {
		s.Status = http.StatusOK
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, s) }), nil
}

// serve answers one request.
func serve(w http.ResponseWriter, r *http.Request, s Settings) {
	s, err := s.chosenBy(r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, "the body did not arrive: "+err.Error(), http.StatusBadRequest)
		return
	}
	if s.Delay > 0 {
		timer := time.NewTimer(s.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return // nobody waits for the answer any more
		}
	}
	body, kind := answer(r, s, size)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(s.Status)
	_, _ = w.Write(body) // fails only when the client has gone
}

// answer returns the body of an answer and its media type; a status that forbids a body has none.
func answer(r *http.Request, s Settings, size int64) ([]byte, string) {
	if s.Status == http.StatusNoContent || s.Status == http.StatusNotModified {
		return nil, "application/json"
	}
	if s.Size > 0 {
		return []byte(strings.Repeat("e", s.Size)), "text/plain"
	}
	headers := make(map[string][]string, len(r.Header))
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = values
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // a request as to a proxy carries the whole URL
		path, query = r.URL.EscapedPath(), r.URL.RawQuery
	}
	body, err := json.Marshal(Answer{
		Name: s.Name, Protocol: r.Proto, Method: r.Method, Host: r.Host, Path: path, Query: query, Headers: headers, Body: size,
	})
	if err != nil { // strings and numbers always have a JSON form
		return []byte(`{}`), "application/json"
	}
	return append(body, '\n'), "application/json"
}
