package authz

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxFields is how many fields of a form are read.
const maxFields = 10_000

// body is what a policy sees of the body of a request.
type body struct {
	term      *ast.Term // null where there is none, it is cut off, or its type is not one that is read.
	truncated bool      // Envoy sent less than the whole.
	malformed string    // Why it cannot be read, empty where it can.
	by        *descriptors
}

// readBody returns the body by its content type: JSON (also +json), forms, multipart forms and, where the policy has descriptors,
// gRPC. A body that is not what its type says makes the request malformed: nothing is decided by half of it.
func (r *request) readBody() *body {
	var by *descriptors
	if r.asked != nil {
		by = r.asked.descriptors
	}
	if r.body == nil || r.body.by != by {
		r.body = &body{term: ast.InternedNullTerm, by: by}
		r.body.read(r)
	}
	if r.body.malformed != "" {
		r.malformed = r.body.malformed
	}
	return r.body
}

func (b *body) read(r *request) {
	contentType := r.header("content-type")
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	var read func(text string) (term *ast.Term, malformed string)
	switch {
	case strings.Contains(mediaType, "application/json") || strings.HasSuffix(mediaType, "+json"):
		read = jsonBody
	case strings.Contains(mediaType, "application/x-www-form-urlencoded"):
		read = formBody
	case mediaType == "multipart/form-data":
		read = func(text string) (*ast.Term, string) { return multipartBody(contentType, text) }
	case b.by != nil && strings.HasPrefix(mediaType, "application/grpc"):
		b.readGRPC(r)
		return
	default:
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
	if term, malformed := read(text); malformed != "" {
		b.malformed = malformed
	} else {
		b.term = term
	}
}

func jsonBody(text string) (*ast.Term, string) {
	if longNumber(text) {
		return nil, "The body holds a number of too many digits."
	}
	term, err := jsonTerm([]byte(text))
	if err != nil {
		return nil, "The body is not JSON, as its content type says."
	}
	return term, ""
}

func formBody(text string) (*ast.Term, string) {
	malformed := ""
	form := parseForm(text, func(error) { malformed = "The body is not a form, as its content type says." })
	return ast.NewTerm(form), malformed
}

// multipartBody reads a multipart form (RFC 7578) into an object of arrays, as forms are: JSON parts as what they hold, others
// as text.
func multipartBody(contentType, text string) (*ast.Term, string) {
	const notAForm = "The body is not a multipart form, as its content type says."
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || parameters["boundary"] == "" {
		return nil, notAForm
	}
	values := map[string][]*ast.Term{}
	parts := multipart.NewReader(strings.NewReader(text), parameters["boundary"])
	for range maxFields {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			pairs := make([][2]*ast.Term, 0, len(values))
			for name, terms := range values {
				pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.ArrayTerm(terms...)})
			}
			return ast.ObjectTerm(pairs...), ""
		}
		if err != nil {
			return nil, notAForm
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, notAForm
		}
		name := part.FormName()
		if name == "" {
			continue
		}
		term, malformed := partTerm(part.Header.Get("Content-Type"), string(content))
		if malformed != "" {
			return nil, malformed
		}
		values[name] = append(values[name], term)
	}
	return nil, "The body is a form of too many parts."
}

func partTerm(contentType, text string) (*ast.Term, string) {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	if mediaType = strings.TrimSpace(mediaType); mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") {
		return jsonBody(text)
	}
	return ast.StringTerm(text), ""
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
