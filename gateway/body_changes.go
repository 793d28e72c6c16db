package gateway

import (
	"errors"
	"fmt"
	"strings"
)

// BodyChanges are changes of JSON bodies: of requests on their way to the upstream, and of responses.
type BodyChanges struct {
	Request  *BodyChange `json:",omitempty"`
	Response *BodyChange `json:",omitempty"`
}

// BodyChange sets fields of a body that is a JSON object. A body of any other kind stays as it is.
type BodyChange struct {
	Replace bool // The object is these fields alone; else they are put beside, or in place of, those that there are.
	Fields  []BodyField
}

// BodyField is a field of the object, at its top.
type BodyField struct {
	Name  string
	Value BodyValue
}

// BodyValue is a text made of parts, a constant, or an object of such. One of the three is set; the zero value is null.
type BodyValue struct {
	Text     []BodyPart  `json:",omitempty"`
	Constant any         `json:",omitempty"` // bool, float64 or string.
	Object   []BodyField `json:",omitempty"`
}

// BodyPart is literal text, something of the request, or a field of a body.
type BodyPart struct {
	HeaderPart
	Body BodyOf   `json:",omitempty"` // Where it is set, nothing else is but Path.
	Path []string `json:",omitempty"`
}

// BodyOf says whose body is meant.
type BodyOf string

// The bodies.
const (
	OfRequest  BodyOf = "request"
	OfResponse BodyOf = "response"
)

// ParseBodyText reads a text of a body's field: as a header's value, and "{request.body.FIELD.FIELD}" or, in a response,
// "{response.body.FIELD}" too. The error says what to write instead.
func ParseBodyText(text string, response bool) ([]BodyPart, error) {
	var out []BodyPart
	err := eachPart(text, func(literal, part string) error {
		if part == "" {
			out = append(out, BodyPart{HeaderPart: HeaderPart{Text: literal}})
			return nil
		}
		for _, of := range []BodyOf{OfRequest, OfResponse} {
			rest, found := strings.CutPrefix(part, string(of)+".body")
			if !found || rest != "" && rest[0] != '.' {
				continue
			}
			if rest == "" || rest == "." {
				return fmt.Errorf("{%s} would be the whole body, which Envoy cannot put into a field: name a field of it, as in {%s.amount}", part, part)
			}
			if of == OfResponse && !response {
				return errors.New("a request has no response yet: take what is needed from the request")
			}
			path := strings.Split(rest[1:], ".")
			for _, name := range path {
				if name == "" || strings.ContainsAny(name, ":%()[]") {
					return fmt.Errorf("%q is no path of a field that Envoy finds: write names with dots between, without any of :%%()[]", rest[1:])
				}
			}
			out = append(out, BodyPart{Body: of, Path: path})
			return nil
		}
		p, err := parseRequestedPart(part)
		if err != nil {
			return fmt.Errorf("%w, {request.body.FIELD} or, in a response, {response.body.FIELD}", err)
		}
		out = append(out, BodyPart{HeaderPart: p})
		return nil
	})
	return out, err
}
