package config

import (
	"fmt"
	"mime"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/config/canonical"
	"github.com/gatehouse/gatehouse/gateway"
)

// pageStatus is a status of an answer that is no success, or a class of them.
type pageStatus string

func (v *pageStatus) parse(text string) error {
	digits := func(from, to byte, at int) bool { return text[at] >= from && text[at] <= to }
	if len(text) != 3 || !digits('4', '5', 0) || text[1:] != "xx" && (!digits('0', '9', 1) || !digits('0', '9', 2)) {
		return fmt.Errorf("%q is no status of a page: write 400 to 599, or 4xx or 5xx", text)
	}
	*v = pageStatus(text)
	return nil
}

// decode reads a status as it is written most simply: as a number, or as the text of a class.
func (v *pageStatus) decode(d *decoder, n *yaml.Node, at *field, _ *rule) {
	if n.Kind != yaml.ScalarNode {
		d.text(n, at)
		return
	}
	if err := v.parse(n.Value); err != nil {
		d.report(gateway.CodeBadValue, n, at, err.Error())
	}
}

// form writes a status as a number, and a class as text.
func (v *pageStatus) form(*forms) canonical.Value {
	if strings.HasSuffix(string(*v), "xx") {
		return canonical.Value{Text: string(*v)}
	}
	return canonical.Value{Shape: canonical.Plain, Text: string(*v)}
}

func (pageStatus) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "integer", Minimum: "400", Maximum: "599"}, pattern(`^[45]([0-9][0-9]|xx)$`, "5xx"),
	}}
}

// mediaType is the type of a body (RFC 9110 8.3.1).
type mediaType string

func (v *mediaType) parse(text string) error {
	if _, _, err := mime.ParseMediaType(text); err != nil || !every(text, func(c byte) bool { return c >= ' ' && c < 0x7f }) {
		return fmt.Errorf("%q is no media type: write one as in text/html; charset=utf-8", text)
	}
	*v = mediaType(text)
	return nil
}

func (mediaType) JSONSchema() *jsonschema.Schema {
	return pattern(`^[^/\s]+/[^/\s]+`, "text/html; charset=utf-8")
}
