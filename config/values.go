package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// Each type of this file is a text with a form of its own: parse holds it to that, JSONSchema tells editors.

// pattern returns the schema of a text of a form.
func pattern(form string, examples ...any) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: form, Examples: examples}
}

// name names an object, a version, an operation or a part of one.
type name string

const (
	nameForm = `^[A-Za-z0-9._-]{1,128}$`
	maxName  = 128
)

func (v *name) parse(text string) error {
	switch {
	case text == "":
		return &refusal{code: gateway.CodeMissingField, text: "the name is empty: write it"}
	case len(text) > maxName:
		return fmt.Errorf("the name has %d characters: at most %d are allowed", len(text), maxName)
	}
	if !every(text, nameCharacter) {
		return fmt.Errorf("the name %q may hold letters, digits, '.', '_' and '-' only", text)
	}
	*v = name(text)
	return nil
}

func (name) JSONSchema() *jsonschema.Schema { return pattern(nameForm) }

func nameCharacter(c byte) bool { return wordCharacter(c) || c == '.' || c == '-' }

func wordCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// every reports whether all characters of a text are of a class.
func every(text string, class func(byte) bool) bool {
	for i := range len(text) {
		if !class(text[i]) {
			return false
		}
	}
	return true
}

// duration is a time span such as 250ms, 5s, 1m30s or 1h, above 0 and at most a day.
type duration time.Duration

const durationForm = `^([0-9]+(ms|s|m|h))+$`

func (v *duration) parse(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || strings.Trim(text, "0123456789msh") != "" {
		return fmt.Errorf("%q is no duration: write a number and a unit, as in 250ms, 5s, 1m or 1h", text)
	}
	if d <= 0 || d > 24*time.Hour {
		return fmt.Errorf("the duration %q is out of range: write one above 0 and at most 24h", text)
	}
	*v = duration(d)
	return nil
}

func (duration) JSONSchema() *jsonschema.Schema { return pattern(durationForm, "250ms", "5s", "1m") }

// or returns the duration, or another where none was written.
func (v duration) or(standard time.Duration) time.Duration {
	if v == 0 {
		return standard
	}
	return time.Duration(v)
}

// maxCheckTime bounds a health check. Envoy asks for listeners only when the first check of every endpoint has ended, so one
// upstream that takes connections and never answers would hold up a start by its timeout.
const maxCheckTime = 2 * time.Second

// checkTime is how long a health check may take.
type checkTime duration

func (v *checkTime) parse(text string) error {
	var d duration
	if err := d.parse(text); err != nil {
		return err
	}
	if time.Duration(d) > maxCheckTime {
		return fmt.Errorf("the timeout %q of a health check is too long: write at most 2s, as an Envoy that starts waits for the first check", text)
	}
	*v = checkTime(d)
	return nil
}

func (checkTime) JSONSchema() *jsonschema.Schema { return pattern(durationForm, "500ms", "1s", "2s") }

// percent is a share such as 20%.
type percent float64

func (v *percent) parse(text string) error {
	digits, found := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if !found || err != nil || strings.Trim(digits, "0123456789.") != "" || f < 0 || f > 100 {
		return fmt.Errorf("%q is no percentage: write a number from 0 to 100 and %%, as in 20%%", text)
	}
	*v = percent(f)
	return nil
}

func (percent) JSONSchema() *jsonschema.Schema { return pattern(`^[0-9]+(\.[0-9]+)?%$`, "20%") }

// pathTemplate is a template of the path of a request.
type pathTemplate struct{ gateway.Path }

func (v *pathTemplate) parse(text string) (err error) {
	v.Path, err = gateway.ParsePath(text)
	return err
}

func (pathTemplate) JSONSchema() *jsonschema.Schema {
	return pattern(`^/[^?#*]*(/\*\*)?$`, "/payments/{id}", "/**")
}

// pathRegex is a regular expression for the whole path of a request.
type pathRegex struct{ gateway.Path }

func (v *pathRegex) parse(text string) (err error) {
	if v.Path, err = gateway.ParseRegexPath(text); err != nil {
		return &refusal{code: gateway.CodeRegex, text: err.Error()}
	}
	return nil
}

func (pathRegex) JSONSchema() *jsonschema.Schema { return pattern("", "/v[0-9]+/.*") }

// method is an HTTP method.
type method string

const methodForm = `^[A-Z]{1,32}$`

func (v *method) parse(text string) error {
	if text == "" || len(text) > 32 || !every(text, func(c byte) bool { return 'A' <= c && c <= 'Z' }) {
		return fmt.Errorf("%q is no HTTP method: write it in capital letters, as in GET", text)
	}
	*v = method(text)
	return nil
}

func (method) JSONSchema() *jsonschema.Schema { return pattern(methodForm, "GET", "POST") }

// base is the literal path prefix under which an API is exposed; "/" is the same as none.
type base string

func (v *base) parse(text string) error {
	p, err := gateway.ParsePath(text)
	switch {
	case err != nil:
		return err
	case !p.Exact():
		return fmt.Errorf("the base %q must be literal: parameters and /** belong into operations", text)
	case text != "/" && strings.HasSuffix(text, "/"):
		return fmt.Errorf("the base %q must not end in a slash", text)
	}
	*v = base(strings.TrimSuffix(text, "/"))
	return nil
}

// String returns the base as it is written; that of a list has to be.
func (v *base) String() string {
	if *v == "" {
		return "/"
	}
	return string(*v)
}

func (base) JSONSchema() *jsonschema.Schema { return pattern(`^/([^?#*{}]*[^/?#*{}])?$`, "/payments") }

// urlPath is a literal path that is sent.
type urlPath string

func (v *urlPath) parse(text string) error {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " \t\r\n#") {
		return fmt.Errorf("%q is no path: begin it with a slash, as in /healthz", text)
	}
	*v = urlPath(text)
	return nil
}

func (urlPath) JSONSchema() *jsonschema.Schema { return pattern(`^/[^\s#]*$`, "/healthz") }

// filePath is the path of a file, relative to the file in which it is written.
type filePath string

func (v *filePath) parse(text string) error {
	if text == "" || strings.HasPrefix(text, "/") || strings.ContainsAny(text, "\\\x00") {
		return &refusal{code: gateway.CodeFile, text: fmt.Sprintf(
			"%q is no relative path: write it with slashes, relative to this file, as in ./payments.openapi.yaml", text)}
	}
	*v = filePath(text)
	return nil
}

func (filePath) JSONSchema() *jsonschema.Schema { return pattern(`^[^/\\][^\\]*$`) }

// scope is one scope of a token (RFC 6749 3.3).
type scope string

func (v *scope) parse(text string) error {
	if text == "" || !every(text, func(c byte) bool { return c > ' ' && c != '"' && c != '\\' && c < 0x7f }) {
		return errors.New("a scope is not empty and has no blanks, quotes or backslashes: write each scope as its own entry")
	}
	*v = scope(text)
	return nil
}

func (scope) JSONSchema() *jsonschema.Schema {
	return pattern(`^[\x21\x23-\x5B\x5D-\x7E]+$`, "payments:read")
}

// entry is the path of a rule in Rego.
type entry string

const entryForm = `^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$`

func (v *entry) parse(text string) error {
	for part := range strings.SplitSeq(text, "/") {
		if !every(part, wordCharacter) || part == "" || '0' <= part[0] && part[0] <= '9' {
			return fmt.Errorf("%q is no rule: write the package and the rule with slashes, as in bank/payments/allow", text)
		}
	}
	*v = entry(text)
	return nil
}

func (entry) JSONSchema() *jsonschema.Schema { return pattern(entryForm, "bank/payments/allow") }
