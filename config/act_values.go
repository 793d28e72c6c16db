package config

import (
	"fmt"
	"mime"

	"github.com/invopop/jsonschema"
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

func (pageStatus) JSONSchema() *jsonschema.Schema {
	return pattern(`^[45]([0-9][0-9]|xx)$`, "404", "5xx")
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
