package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RequestedPart is what a value may take from a request.
type RequestedPart string

// The parts of a request that a header's value may hold, each written in braces: "{client.address}".
const (
	PartClientAddress   RequestedPart = "client.address" // By the Gateway's trust.
	PartRequestID       RequestedPart = "request.id"     // As in the access log.
	PartRequestHost     RequestedPart = "request.host"
	PartRequestMethod   RequestedPart = "request.method"
	PartRequestPath     RequestedPart = "request.path" // Without the query, as the client sent it.
	PartRequestScheme   RequestedPart = "request.scheme"
	PartRequestProtocol RequestedPart = "request.protocol" // "HTTP/2".
	PartRoute           RequestedPart = "route"            // Name of the Route that answers.
	PartGateway         RequestedPart = "gateway"
	PartAPI             RequestedPart = "api"
	PartVersion         RequestedPart = "version"
	PartOperation       RequestedPart = "operation"
	PartIdentity        RequestedPart = "identity" // The kind of proof.
	PartConsumer        RequestedPart = "consumer"
	PartApplication     RequestedPart = "application"
	PartTLSVersion      RequestedPart = "tls.version"
	PartTLSCipher       RequestedPart = "tls.cipher"
	PartTLSServerName   RequestedPart = "tls.server-name"
	PartCertSubject     RequestedPart = "certificate.subject"
	PartCertIssuer      RequestedPart = "certificate.issuer"
	PartCertURI         RequestedPart = "certificate.uri" // Its URI names, with commas between.
	PartCertDNS         RequestedPart = "certificate.dns" // Its DNS names, with commas between.
	PartCertSerial      RequestedPart = "certificate.serial"
	PartCertFingerprint RequestedPart = "certificate.fingerprint" // SHA-256, as hex digits.
)

// RequestedParts returns all of them.
func RequestedParts() []RequestedPart {
	return []RequestedPart{
		PartClientAddress, PartRequestID, PartRequestHost, PartRequestMethod, PartRequestPath, PartRequestScheme, PartRequestProtocol,
		PartRoute, PartGateway, PartAPI, PartVersion, PartOperation, PartIdentity, PartConsumer, PartApplication,
		PartTLSVersion, PartTLSCipher, PartTLSServerName,
		PartCertSubject, PartCertIssuer, PartCertURI, PartCertDNS, PartCertSerial, PartCertFingerprint,
	}
}

// ParseHeaderValue reads a value: text, in which a part of the request stands in braces and a brace is written twice. The
// error says what to write instead.
func ParseHeaderValue(text string) ([]HeaderPart, error) {
	switch {
	case text == "":
		return nil, errors.New("the value is empty, and an empty header is not sent: write a value, or the name under remove")
	case len(text) > maxHeaderValue:
		return nil, fmt.Errorf("the value has %d bytes: at most %d are allowed", len(text), maxHeaderValue)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return nil, errors.New("the value holds a control character, such as the end of a line: write it on one line")
	case strings.TrimSpace(text) != text:
		return nil, errors.New("the value begins or ends with a blank, which is not sent: remove it")
	}
	var out []HeaderPart
	err := eachPart(text, func(literal, part string) error {
		if part == "" {
			out = append(out, HeaderPart{Text: literal})
			return nil
		}
		p, err := parseRequestedPart(part)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func parseRequestedPart(part string) (HeaderPart, error) {
	if !slices.Contains(RequestedParts(), RequestedPart(part)) {
		return HeaderPart{}, fmt.Errorf("there is nothing to put in place of {%s}: write {{ and }} for braces, or one of %s", part, partNames(RequestedParts()))
	}
	return HeaderPart{Field: RequestedPart(part)}, nil
}

// eachPart calls found for each run of literal text and each part in braces, of which the other is empty.
func eachPart(text string, found func(literal, part string) error) error {
	literal := ""
	flush := func() error {
		if literal == "" {
			return nil
		}
		done := literal
		literal = ""
		return found(done, "")
	}
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			literal += rest
			break
		}
		literal, rest = literal+rest[:i], rest[i:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			literal, rest = literal+rest[:1], rest[2:]
			continue
		}
		part, after, closed := strings.Cut(rest[1:], "}")
		if rest[0] == '}' || !closed || part == "" {
			return fmt.Errorf("there is nothing to put in place of %q: write {{ and }} for braces, or one of %s", rest, partNames(RequestedParts()))
		}
		if err := flush(); err != nil {
			return err
		}
		if err := found("", part); err != nil {
			return err
		}
		rest = after
	}
	return flush()
}

func partNames(parts []RequestedPart) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = "{" + string(p) + "}"
	}
	return strings.Join(names, ", ")
}

// HiddenHeaders returns the headers of responses that tell what an upstream is made of. They are taken away unless a document
// keeps them, or sets them itself.
func HiddenHeaders() []string {
	return []string{"server", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-powered-by", "x-runtime"}
}

// Shown returns those of HiddenHeaders that these changes of responses let pass, or write themselves.
func (c HeaderChanges) Shown() []string {
	return slices.DeleteFunc(HiddenHeaders(), func(name string) bool {
		is := func(h Header) bool { return h.Name == name }
		return !slices.Contains(c.Keep, name) && !slices.ContainsFunc(c.Set, is) && !slices.ContainsFunc(c.Add, is)
	})
}

// HidesAll reports whether a route lets pass, of the hidden headers, no more than its Gateway does for all.
func (r *Route) HidesAll() bool {
	for _, name := range r.Headers.Response.Shown() {
		if r.Gateway == nil || !slices.Contains(r.Gateway.Headers.Response.Keep, name) {
			return false
		}
	}
	return true
}
