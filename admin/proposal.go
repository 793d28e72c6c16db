package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds of a Proposal, beside its bytes; as its schema says them.
const (
	proposalEdits   = 1000
	proposalFields  = 100
	proposalMessage = 1000
	// proposalsAtOnce is how many one caller may have under way: each may take as much memory as its bytes, several times.
	proposalsAtOnce = 2
	proposalWait    = 5 * time.Second // For the turn of one more.
)

// proposalBody is a Proposal as it travels. It is read here and not by the general way, which makes an error of each value that is
// not as its schema says: a hostile body of 64 MiB would become gigabytes, and an empty file would be no base64.
type proposalBody struct {
	RawBody []byte `contentType:"application/json"`
}

// Resolve refuses what says of itself that it is no JSON.
func (*proposalBody) Resolve(c huma.Context) []error {
	kind, _, err := mime.ParseMediaType(c.Header("Content-Type"))
	if c.Header("Content-Type") == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) {
		return nil
	}
	return []error{huma.Error415UnsupportedMediaType("a proposal is JSON: send it as application/json")}
}

var _ huma.Resolver = (*proposalBody)(nil)

// describeProposals says in the document of the API what a body of theirs is.
func describeProposals(api huma.API) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Proposal](), true, "Proposal")
	for _, path := range []string{"/v1/plan", "/v1/apply"} {
		described := api.OpenAPI().Paths[path].Post
		described.RequestBody.Required = true
		described.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
	}
}

// read reads a Proposal, strictly. The error is a problem document, and quotes nothing of the body.
func (b *proposalBody) read() (Proposal, error) {
	var p Proposal
	if len(bytes.TrimSpace(b.RawBody)) == 0 {
		return p, huma.Error400BadRequest("request body is required")
	}
	if !json.Valid(b.RawBody) {
		return p, huma.Error400BadRequest("the body is no JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(b.RawBody))
	decoder.DisallowUnknownFields()
	if bytes.HasPrefix(bytes.TrimSpace(b.RawBody), []byte("null")) {
		return p, huma.Error422UnprocessableEntity("the body is no proposal: it is null")
	}
	if err := decoder.Decode(&p); err != nil {
		return p, huma.Error422UnprocessableEntity("the body is no proposal: " + misread(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return p, huma.Error400BadRequest("the body holds more than one value")
	}
	if why := p.beyond(); why != "" {
		return p, huma.Error422UnprocessableEntity("the proposal " + why)
	}
	return p, nil
}

// misread says what is wrong with a value, without the value.
func misread(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s cannot be a %s", wrong.Field, wrong.Value)
	}
	if strings.HasPrefix(err.Error(), "json: unknown field ") {
		return shortened(strings.TrimPrefix(err.Error(), "json: "))
	}
	return "a file is not in base64"
}

// beyond tells which bound a Proposal exceeds; "" where none.
func (p *Proposal) beyond() string {
	switch {
	case len(p.Message) > proposalMessage*4 || len([]rune(p.Message)) > proposalMessage:
		return fmt.Sprintf("has a message of more than %d characters", proposalMessage)
	case p.Base < 0:
		return "names a base below 0"
	case len(p.Edits) > proposalEdits:
		return fmt.Sprintf("has more than %d edits", proposalEdits)
	}
	for _, e := range p.Edits {
		if len(e.Set) > proposalFields {
			return fmt.Sprintf("sets more than %d fields in one edit", proposalFields)
		}
		for _, s := range e.Set {
			if s.Field == "" {
				return "sets a field without a name"
			}
		}
	}
	return ""
}

// underway bounds what each caller has under way.
type underway struct {
	mu sync.Mutex
	of map[string]*turns
}

// turns are what one caller has under way, and waits for.
type turns struct {
	free chan struct{}
	all  int
}

// begin waits for the caller's turn, and returns how to end it; nil where it does not come soon.
func (u *underway) begin(ctx context.Context, caller Caller, patience time.Duration) (end func()) {
	key := caller.Name + "\x00" + caller.Token
	u.mu.Lock()
	own := u.of[key]
	if own == nil {
		own = &turns{free: make(chan struct{}, proposalsAtOnce)}
		u.of[key] = own
	}
	own.all++
	u.mu.Unlock()
	leave := func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if own.all--; own.all == 0 {
			delete(u.of, key)
		}
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case own.free <- struct{}{}:
		return func() { <-own.free; leave() }
	case <-ctx.Done():
	case <-late.C:
	}
	leave()
	return nil
}

// bounded does what a caller asks for with a large body, unless that has as much under way as it may.
func (d *door) bounded(w http.ResponseWriter, r *http.Request, op operation, do func()) {
	if !op.proposes() {
		do()
		return
	}
	end := d.underway.begin(r.Context(), CallerOf(r.Context()), proposalWait)
	if end == nil {
		(&refusedRequest{http.StatusTooManyRequests, fmt.Sprintf("%d of your changes are being worked out already: wait for one to end", proposalsAtOnce), soon()}).write(w)
		return
	}
	defer end()
	do()
}

// proposes reports whether an operation takes a Proposal.
func (o operation) proposes() bool { return o.id == "planChange" || o.id == "applyChange" }

// bindTo binds a change to the entry that the caller has seen, as If-Match proved, so that nobody comes between.
func bindTo(ctx context.Context, base *int64) error {
	var known Entry
	if seen(ctx, &known); known.Number == 0 {
		return nil
	}
	if *base != 0 && *base != known.Number {
		return huma.Error409Conflict(fmt.Sprintf("the change is for entry %d, and its If-Match for entry %d", *base, known.Number))
	}
	*base = known.Number
	return nil
}
