package authz

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxParts bounds how many parts of a form are read.
const maxParts = 1000

// multipartBody reads a form of several parts (RFC 7578): an object of lists, one for each name, whose elements are texts, or
// values where a part says that it is JSON. Parts without a name are left out; a form without a boundary is not read.
func (r *request) multipartBody(contentType, text string) *ast.Term {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err == nil && parameters["boundary"] == "" {
		return nil
	}
	values := map[string][]*ast.Term{}
	if err == nil {
		err = readParts(multipart.NewReader(strings.NewReader(text), parameters["boundary"]), values)
	}
	if err != nil {
		r.malformed = "The body is not a form of several parts, as its content type says."
		return nil
	}
	pairs := make([][2]*ast.Term, 0, len(values))
	for name, terms := range values {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.ArrayTerm(terms...)})
	}
	return ast.ObjectTerm(pairs...)
}

// readParts reads every part with a name.
func readParts(form *multipart.Reader, into map[string][]*ast.Term) error {
	for range maxParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := part.FormName()
		if name == "" {
			continue
		}
		text, err := io.ReadAll(part) // The whole form is in memory already.
		if err != nil {
			return err
		}
		term := ast.StringTerm(strings.ToValidUTF8(string(text), "\uFFFD"))
		if strings.Contains(part.Header.Get("Content-Type"), "application/json") {
			if term, err = jsonTerm(text); err != nil {
				return err
			}
		}
		into[name] = append(into[name], term)
	}
	return errors.New("too many parts")
}
