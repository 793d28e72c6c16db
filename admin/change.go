package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
)

// notes are what an operation tells about itself for the audit.
type notes struct {
	mu                    sync.Mutex
	before, after, detail string
	denied                bool
}

// notesKey is the key of the notes in a context.
type notesKey struct{}

// note returns the notes of the request under way.
func note(ctx context.Context) *notes {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		return n
	}
	return &notes{} // Not a write: nobody reads it.
}

// changed tells what was there before and is there now: versions, numbers, or whatever identifies them; never secrets.
func (n *notes) changed(before, after, detail string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before, n.after, n.detail = before, after, detail
}

// deny tells that it was refused because the caller may not.
func (n *notes) deny() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.denied = true
}

// change lets a write through: it is recorded before it begins and again before it is answered. Where the first cannot be,
// nothing is done; where the second cannot be, the caller is told so, and the first stands in the audit without an end.
func (d *door) change(w http.ResponseWriter, r *http.Request, op operation) {
	begun, err := d.append(r, op, Record{Result: Begun})
	if err != nil {
		d.unrecorded(w, op, err)
		return
	}
	n := &notes{}
	body := &digested{ReadCloser: r.Body, sum: sha256.New()}
	r = r.WithContext(context.WithValue(r.Context(), notesKey{}, n))
	r.Body = body
	answer := newAnswer()
	d.contain(answer, r, func() { d.bounded(answer, r, op, func() { d.answer(answer, r, op) }) })
	if err := d.record(r, op, n.outcome(begun, answer, body)); err != nil {
		d.options.Logger.Error("the end of a change cannot be put into the audit", "operation", op.id, "record", begun, "status", answer.status, "error", err)
		(&refusedRequest{http.StatusServiceUnavailable, "what came of this cannot be put into the audit: ask what is so now before you try again", soon()}).write(w)
		return
	}
	answer.send(w)
}

// answer does the write, unless it is about something that is not any more what the caller has seen.
func (d *door) answer(w *answer, r *http.Request, op operation) {
	if given := r.Header.Values("If-Match"); len(given) > 0 && op.conditional() {
		wanted := strings.Join(given, ",")
		seen := d.represent(r, op.resource(r))
		if seen.status != http.StatusOK || !matches(wanted, tag(seen.body.Bytes())) {
			w.Header().Set("ETag", tag(seen.body.Bytes()))
			problem(w, http.StatusPreconditionFailed, "it is not any more as you have seen it (If-Match): read it again")
			return
		}
		if strings.TrimSpace(wanted) != "*" { // Whatever it is, so long as there is something.
			r = r.WithContext(context.WithValue(r.Context(), seenKey{}, seen.body.Bytes()))
		}
	}
	d.mux.ServeHTTP(w, r)
}

// seenKey is the key of what the caller has seen, as If-Match proved.
type seenKey struct{}

// seen reads into out what the caller has seen of the thing that is to be changed; it stays as it is where no If-Match was given.
// It lets a change be bound to that version where it is made, so that nobody comes between.
func seen(ctx context.Context, out any) {
	if body, ok := ctx.Value(seenKey{}).([]byte); ok {
		_ = json.Unmarshal(body, out) // It was written a moment ago; what cannot be read binds to nothing.
	}
}

// represent reads what is at a path, as a GET of the same caller would.
func (d *door) represent(r *http.Request, path string) *answer {
	read := r.Clone(r.Context())
	read.Method, read.Body, read.ContentLength = http.MethodGet, http.NoBody, 0
	read.URL.RawQuery, read.URL.RawPath, read.URL.Path = "", "", path
	if escaped, err := r.URL.Parse(path); err == nil {
		read.URL.Path, read.URL.RawPath = escaped.Path, escaped.RawPath
	}
	read.Header.Del("If-None-Match")
	got := newAnswer()
	d.mux.ServeHTTP(got, read)
	return got
}

// read answers with a tag (RFC 9110, section 8.8.3), and with 304 where the caller has that already.
func (d *door) read(w http.ResponseWriter, r *http.Request) {
	answer := newAnswer()
	d.mux.ServeHTTP(answer, r)
	if answer.status == http.StatusOK {
		etag := tag(answer.body.Bytes())
		answer.Header().Set("ETag", etag)
		if known := r.Header.Get("If-None-Match"); known != "" && matches(strings.ReplaceAll(known, "W/", ""), etag) {
			answer.status = http.StatusNotModified
			answer.Header().Del("Content-Type")
			answer.body.Reset()
		}
	}
	answer.send(w)
}

// tag is the entity tag of an answer.
func tag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// matches reports whether a list of tags holds one, by strong comparison.
func matches(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || one == etag {
			return true
		}
	}
	return false
}

// outcome returns what is recorded about the end of a change.
func (n *notes) outcome(begun int64, a *answer, body *digested) Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	rec := Record{Result: Done, Status: a.status, Of: begun, Body: body.digest(), Before: n.before, After: n.after, Detail: n.detail}
	switch {
	case n.denied || a.status == http.StatusForbidden:
		rec.Result = Denied
	case a.status >= http.StatusMultipleChoices:
		rec.Result = Failed
	}
	if rec.Detail == "" && rec.Result != Done {
		rec.Detail = http.StatusText(a.status)
	}
	return rec
}

// digested is a body that is hashed as it is read.
type digested struct {
	io.ReadCloser
	sum  hash.Hash
	read int64
}

// Read reads on.
func (d *digested) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	d.sum.Write(p[:n])
	d.read += int64(n)
	return n, err
}

func (d *digested) digest() string {
	if d.read == 0 {
		return ""
	}
	return hex.EncodeToString(d.sum.Sum(nil))
}

// answer holds an answer back.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

// Header returns the header that will be sent.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write keeps a part of the body.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// send sends it. That the client is gone by then is nobody's fault.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Cache-Control", "no-store")
	if a.status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set(soon()[0], soon()[1])
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}
