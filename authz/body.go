package authz

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// body is what a policy sees of the body of a request.
type body struct {
	term      *ast.Term // null where there is none, it is cut off, or its type is not one that is read.
	truncated bool      // Envoy sent less than the whole.
}

// readBody returns the body by its content type: JSON (also +json) and forms are read. A body that is not what its type
// says makes the request malformed: nothing is decided by half of it.
func (r *request) readBody() *body {
	if r.body == nil {
		r.body = &body{term: ast.InternedNullTerm}
		r.body.read(r)
	}
	return r.body
}

func (b *body) read(r *request) {
	mediaType, _, _ := strings.Cut(strings.ToLower(r.header("content-type")), ";")
	mediaType = strings.TrimSpace(mediaType)
	isJSON := strings.Contains(mediaType, "application/json") || strings.HasSuffix(mediaType, "+json")
	isForm := strings.Contains(mediaType, "application/x-www-form-urlencoded")
	if !isJSON && !isForm {
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
	if isJSON {
		term, err := jsonTerm([]byte(text))
		if err != nil {
			r.malformed = "The body is not JSON, as its content type says."
			return
		}
		b.term = term
		return
	}
	b.term = ast.NewTerm(parseForm(text, func(error) { r.malformed = "The body is not a form, as its content type says." }))
}

// isTruncated reports whether Envoy sent less than the whole body. Where it sends bodies it says so itself, and overwrites
// what a client says (x-envoy-auth-partial-body).
func (r *request) isTruncated(sent int) bool {
	if r.header("x-envoy-auth-partial-body") == "true" {
		return true
	}
	length, err := strconv.ParseInt(r.header("content-length"), 10, 64)
	return err == nil && length > int64(sent)
}
