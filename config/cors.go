package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// corsFields say which pages of other origins may call.
type corsFields struct {
	orNone
	Origins        []string      `yaml:"origins" order:"none" single:"true" jsonschema:"minItems=1" doc:"Origins of pages, such as https://app.bank.test or https://*.bank.test; * for all of them."`
	OriginRegex    []string      `yaml:"origin-regex" order:"none" single:"true" jsonschema:"minItems=1" doc:"Regular expressions, one of which a whole origin may match instead."`
	Methods        []method      `yaml:"methods" order:"none" jsonschema:"minItems=1" doc:"Methods that pages may use. GET, HEAD and POST where not said."`
	Headers        []headerField `yaml:"headers" order:"none" jsonschema:"minItems=1" doc:"Headers that pages may send beside those that every form can."`
	Expose         []headerField `yaml:"expose" order:"none" jsonschema:"minItems=1" doc:"Headers of answers that pages may read beside those that they always may."`
	MaxAge         duration      `yaml:"max-age" doc:"How long a browser may remember the answer to a preflight. As the browser likes where not said."`
	Credentials    bool          `yaml:"credentials" jsonschema:"default=false" doc:"Whether the browser may send cookies and client certificates, and show pages what comes back."`
	PrivateNetwork bool          `yaml:"private-network" jsonschema:"default=false" doc:"Whether pages from public addresses may call although this address is private."`
}

// maxOriginRegex bounds an expression, which is held against every request.
const maxOriginRegex = 1024

func (f *corsFields) cors(o *object, at string) *gateway.CORS {
	switch {
	case f == nil:
		return nil
	case f.none:
		return &gateway.CORS{}
	}
	if len(f.Origins)+len(f.OriginRegex) == 0 && !o.blamed(at) {
		o.fault(gateway.CodeCORS, at, "cors names no origin whose pages may call: write origins, or none")
	}
	for i, origin := range f.Origins {
		if err := checkOrigin(origin); err != nil {
			o.fault(gateway.CodeCORS, fmt.Sprintf("%s[%d]", join(at, "origins"), i), "%s", err)
		}
	}
	for i, pattern := range f.OriginRegex {
		if _, err := regexp.Compile(pattern); err != nil || len(pattern) > maxOriginRegex {
			o.fault(gateway.CodeRegex, fmt.Sprintf("%s[%d]", join(at, "origin-regex"), i), "%q is no regular expression of at most %d characters: correct it", pattern, maxOriginRegex)
		}
	}
	if f.Credentials && slices.Contains(f.Origins, gateway.AnyOrigin) {
		o.fault(gateway.CodeCORS, join(at, "credentials"), "with credentials every page on the web could act for its reader: name the origins, or remove credentials")
	}
	out := &gateway.CORS{
		Origins: sortedTexts(f.Origins), Patterns: sortedTexts(f.OriginRegex), Methods: sortedTexts(texts(f.Methods)),
		Headers: sortedTexts(texts(f.Headers)), Expose: sortedTexts(texts(f.Expose)), MaxAge: time.Duration(f.MaxAge),
		Credentials: f.Credentials, PrivateNetwork: f.PrivateNetwork,
	}
	if f.Methods == nil {
		out.Methods = []string{"GET", "HEAD", "POST"}
	}
	return out
}

// checkOrigin holds an origin to its form (RFC 6454 6.2): scheme, host and port, and nothing else.
func checkOrigin(text string) error {
	if text == gateway.AnyOrigin {
		return nil
	}
	plain := strings.Replace(text, "://*.", "://any.", 1)
	u, err := url.Parse(plain)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != plain || strings.ContainsAny(plain, "*@") || plain != strings.ToLower(plain) {
		return fmt.Errorf("%q is no origin: write scheme and host in lower case, and the port where it is not the usual one, as in https://app.bank.test or https://*.bank.test", text)
	}
	return nil
}
