package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// algorithm is a signature algorithm of tokens (RFC 7518 3.1, RFC 8037 3.1) that Envoy verifies by a public key.
type algorithm string

// algorithms returns all of them. Those with a shared secret are not among them: whoever verifies could sign.
func algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
}

func (v *algorithm) parse(text string) error {
	if !slices.Contains(algorithms(), text) {
		return fmt.Errorf("%q is no algorithm for tokens here: write one of %s", text, strings.Join(algorithms(), ", "))
	}
	*v = algorithm(text)
	return nil
}

func (algorithm) JSONSchema() *jsonschema.Schema {
	return pattern("^("+strings.Join(algorithms(), "|")+")$", "RS256")
}

// tokenType is the typ of a token: a media type, kept in lower case and without "application/" (RFC 7515 4.1.9).
type tokenType string

func (v *tokenType) parse(text string) error {
	short := strings.TrimPrefix(strings.ToLower(text), "application/")
	if short == "" || !every(short, func(c byte) bool { return wordOrDash(c) || c == '+' }) {
		return fmt.Errorf("%q is no type of a token: write one such as at+jwt", text)
	}
	*v = tokenType(short)
	return nil
}

func (tokenType) JSONSchema() *jsonschema.Schema {
	return pattern(`^[A-Za-z0-9._/+-]+$`, "at+jwt")
}

// wholeSeconds is a duration that Envoy takes in whole seconds.
type wholeSeconds duration

// maxSkew bounds by how much clocks may differ.
const maxSkew = 10 * time.Minute

func (v *wholeSeconds) parse(text string) error {
	var d duration
	if err := d.parse(text); err != nil {
		return err
	}
	if t := time.Duration(d); t > maxSkew || t%time.Second != 0 {
		return fmt.Errorf("%q is no such time: write whole seconds, 1s to 10m", text)
	}
	*v = wholeSeconds(d)
	return nil
}

func (wholeSeconds) JSONSchema() *jsonschema.Schema { return pattern(durationForm, "30s", "1m") }
