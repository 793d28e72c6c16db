package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard lets through over TCP only who holds the token and no browser that another site has sent: its Host must name
// this machine, which a rebound DNS name does not, and an Origin must be the API's own. Probes need no token.
func (s *Service) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !loopbackHost(r.Host):
			problem(w, http.StatusMisdirectedRequest, "the Host header does not name this machine: use 127.0.0.1 or localhost")
		case !ownOrigin(r):
			problem(w, http.StatusForbidden, "requests from the pages of other sites are refused")
		case r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && !s.holdsToken(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
			problem(w, http.StatusUnauthorized, "the management API's token is needed, as authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loopbackHost reports whether a Host header names this machine.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// ownOrigin reports whether a request comes from no web page, or from one of this API itself.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, r.Host)
}

// holdsToken compares in constant time, whatever the lengths.
func (s *Service) holdsToken(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(s.token)), sha256.Sum256([]byte(given))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}
