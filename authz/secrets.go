package authz

import (
	"net/url"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// stars stand for the value of a secret parameter of a query.
const stars = "***"

// Places in a record, as JSON pointers.
const (
	pointerHTTP    = "/input/attributes/request/http"
	pointerHeaders = pointerHTTP + "/headers/"
)

// secretHeaders are the headers that no record holds.
func secretHeaders() []string {
	return []string{
		"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "apikey", "x-auth-token",
		"x-access-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token", "x-forwarded-access-token",
	}
}

// secretParameters are the parameters of a query whose values no record holds (access_token: RFC 6750, section 2.3).
func secretParameters() []string {
	return []string{
		"access_token", "refresh_token", "id_token", "token", "api_key", "api-key", "apikey", "x-api-key", "key", "client_secret",
		"secret", "password", "code", "assertion", "client_assertion", "signature", "sig",
	}
}

// pathHeaders are headers that repeat the request's path, or another one, with its query.
func pathHeaders() []string { return []string{":path", "x-envoy-original-path", "referer"} }

// secrets are the places in requests of one route that no record holds.
type secrets struct{ headers, parameters []string }

// secretsOf returns them: those of every route, and where this one takes API keys.
func secretsOf(route *gateway.Route) *secrets {
	s := &secrets{headers: secretHeaders(), parameters: secretParameters()}
	for _, way := range route.Ways {
		for _, p := range way {
			if p.Key == nil {
				continue
			}
			if p.Key.Header != "" {
				s.headers = append(s.headers, strings.ToLower(p.Key.Header))
			}
			if p.Key.Query != "" {
				s.parameters = append(s.parameters, strings.ToLower(p.Key.Query))
			}
		}
	}
	return s
}

// hide returns attributes without secrets, and the places from which they were taken (erased) or in which stars stand for them.
func (s *secrets) hide(a *attributes) (clean *attributes, erased, masked []string) {
	http := a.GetRequest().GetHttp()
	if http.GetBody() != "" || len(http.GetRawBody()) > 0 {
		erased = append(erased, pointerHTTP+"/body", "/input/parsed_body")
	}
	from := headers(http)
	kept := make(map[string]string, len(from))
	for name, value := range from {
		lower := strings.ToLower(name)
		switch {
		case slices.Contains(s.headers, lower):
			erased = append(erased, pointerHeaders+strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1"))
			continue
		case slices.Contains(pathHeaders(), lower):
			if hidden, changed := s.hidePath(value); changed {
				value = hidden
				masked = append(masked, pointerHeaders+name)
			}
		}
		kept[name] = value
	}
	path, changed := s.hidePath(http.GetPath())
	if changed {
		masked = append(masked, pointerHTTP+"/path", "/input/parsed_query")
	}
	slices.Sort(erased)
	slices.Sort(masked)
	clean = sanitized(a, http, kept, path)
	clean.Request.Http.Query, _ = s.hideQuery(http.GetQuery())
	return clean, erased, masked
}

// hidePath puts stars into the query of a path or URL.
func (s *secrets) hidePath(path string) (hidden string, changed bool) {
	before, query, found := strings.Cut(path, "?")
	if !found {
		return path, false
	}
	query, changed = s.hideQuery(query)
	return before + "?" + query, changed
}

// hideQuery puts stars in the place of secret values. A name is compared as servers may read it: decoded, and by any case.
func (s *secrets) hideQuery(query string) (hidden string, changed bool) {
	if query == "" {
		return "", false
	}
	var b strings.Builder
	for i, pair := range strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' }) {
		if i > 0 {
			b.WriteByte('&')
		}
		name, _, found := strings.Cut(pair, "=")
		if found && s.secretParameter(name) {
			pair, changed = name+"="+stars, true
		}
		b.WriteString(pair)
	}
	if !changed {
		return query, false
	}
	return b.String(), true
}

func (s *secrets) secretParameter(name string) bool {
	decoded, err := url.QueryUnescape(name)
	if err != nil {
		return true // What it is, nobody knows.
	}
	return slices.Contains(s.parameters, strings.ToLower(decoded))
}

// withHeaders returns a header map of these headers, where the request had one.
func withHeaders(http *httpRequest, headers map[string]string) *corev3.HeaderMap {
	if len(http.GetHeaderMap().GetHeaders()) == 0 || len(headers) == 0 {
		return nil
	}
	m := &corev3.HeaderMap{}
	for name, value := range headers {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
	}
	return m
}
