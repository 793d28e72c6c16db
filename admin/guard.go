package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// TokenPrefix begins every access token of Gatehouse, so that scanners for secrets find one that was published.
const TokenPrefix = "gha_"

// foreign refuses over TCP what a browser was made to send by another site, and secrets where they would be logged: the Host
// must name this machine or be one of the names that are configured, which a rebound DNS name is not; an Origin must be the
// API's own; and a token has no place in a URL (RFC 6750, section 2.3).
func (d *door) foreign(r *http.Request) *refusedRequest {
	switch {
	case !d.ownHost(r.Host):
		return &refusedRequest{status: http.StatusMisdirectedRequest, detail: "the Host header does not name this machine: use 127.0.0.1 or localhost, or a name given by --admin-host"}
	case !ownOrigin(r):
		return &refusedRequest{status: http.StatusForbidden, detail: "requests from the pages of other sites are refused"}
	case tokenInURL(r.URL):
		return &refusedRequest{status: http.StatusBadRequest, detail: "a token in a URL ends up in logs: send it as authorization: Bearer TOKEN, and replace this one"}
	}
	return nil
}

// ownHost reports whether a Host header names this machine, or is one of the names that are configured.
func (d *door) ownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") || slices.ContainsFunc(d.hosts, func(own string) bool { return strings.EqualFold(own, name) }) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// ownOrigin reports whether a request comes from no web page, or from one of this API itself.
func ownOrigin(r *http.Request) bool {
	given := r.Header.Values("Origin")
	if len(given) == 0 {
		return true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	u, err := url.Parse(given[0])
	return len(given) == 1 && err == nil && u.Scheme == scheme && strings.EqualFold(u.Host, r.Host)
}

func tokenInURL(u *url.URL) bool {
	query := u.Query()
	for _, values := range query {
		if slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, TokenPrefix) }) {
			return true
		}
	}
	// What a query cannot be read as is logged all the same.
	return query.Has("access_token") || strings.Contains(u.Path, "/"+TokenPrefix) || strings.Contains(u.RawQuery, "="+TokenPrefix)
}

// same compares two secrets in constant time, whatever their lengths. None is the same as an empty one.
func same(want, got string) bool {
	w, g := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))
	return want != "" && subtle.ConstantTimeCompare(w[:], g[:]) == 1
}
