package authz

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// body is what a policy sees of the body of a request.
type body struct {
	term      *ast.Term // null where there is none, it is cut off, or its type is not one that is read.
	truncated bool      // Envoy sent less than the whole.
	malformed string    // Why it cannot be read; empty: it can, or there is none.
	by        *Descriptors
}

// bodyTooLong is said of a body that is longer than what is read of one.
const bodyTooLong = "The body is longer than what policies may read."

// unreadable returns the refusal of a request that a policy cannot be shown.
func (r *request) unreadable() *decision {
	if r.malformed == bodyTooLong {
		return refuse(Malformed, http.StatusRequestEntityTooLarge, gateway.ProblemBadRequest, r.malformed)
	}
	return refuse(Malformed, http.StatusBadRequest, gateway.ProblemBadRequest, r.malformed)
}

// readBody returns the body by its content type: JSON (also +json), forms, also of several parts, and, where the policy that is
// asked has descriptors, gRPC. A body that is not what its type says makes the request malformed, for whichever policy reads it:
// nothing is decided by half of it.
func (r *request) readBody() *body {
	var by *Descriptors
	if r.asked != nil {
		by = r.asked.descriptors
	}
	if r.body == nil || r.body.by != by {
		before := r.malformed
		r.malformed = ""
		r.body = &body{term: ast.InternedNullTerm, by: by}
		r.body.read(r)
		r.body.malformed, r.malformed = r.malformed, before
	}
	if r.body.malformed != "" {
		r.malformed = r.body.malformed
	}
	return r.body
}

// bodyReader returns what reads bodies of a content type; nil: nothing does.
func bodyReader(contentType string) func(r *request, contentType, text string) *ast.Term {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	switch {
	case strings.Contains(mediaType, "application/json") || strings.HasSuffix(mediaType, "+json"):
		return (*request).jsonBody
	case strings.Contains(mediaType, "application/x-www-form-urlencoded"):
		return (*request).formBody
	case strings.Contains(mediaType, "multipart/form-data"):
		return (*request).multipartBody
	}
	return nil
}

func (b *body) read(r *request) {
	if b.truncated = r.header("x-envoy-auth-partial-body") == "true"; b.truncated {
		return
	}
	if sent := len(r.http().GetBody()) + len(r.http().GetRawBody()); r.most > 0 && sent > r.most {
		r.malformed = bodyTooLong // No part of it is shown: a policy might look for something in the rest.
		return
	}
	contentType := r.header("content-type")
	if b.by != nil && r.grpc() {
		b.readGRPC(r)
		return
	}
	reader := bodyReader(contentType)
	if reader == nil {
		return
	}
	text := r.http().GetBody()
	if text == "" {
		text = string(r.http().GetRawBody())
	}
	if text == "" {
		return
	}
	if b.truncated = r.isTruncated(len(text)); b.truncated {
		return
	}
	if term := reader(r, contentType, text); term != nil {
		b.term = term
	}
}

func (r *request) jsonBody(_, text string) *ast.Term {
	if longNumber(text) { // Comparing it would take the square of its length.
		r.malformed = "The body holds a number of too many digits."
		return nil
	}
	term, err := jsonTerm([]byte(text))
	if err != nil {
		r.malformed = "The body is not JSON, as its content type says."
		return nil
	}
	return term
}

func (r *request) formBody(_, text string) *ast.Term {
	return ast.NewTerm(parseForm(text, func(error) { r.malformed = "The body is not a form, as its content type says." }))
}

// isTruncated reports whether Envoy sent less than the whole body. Where it sends bodies it says so itself
// (x-envoy-auth-partial-body), and overwrites what a client says.
func (r *request) isTruncated(sent int) bool {
	length, err := strconv.ParseInt(r.header("content-length"), 10, 64)
	return err == nil && length > int64(sent)
}
