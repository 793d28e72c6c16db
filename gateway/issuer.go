package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// KeyURL is where the key set of an Issuer is fetched.
type KeyURL struct {
	URL      string        `json:",omitempty"` // Of the key set; empty: the issuer's metadata tells it (OpenID Connect Discovery 1.0, section 4).
	Refresh  time.Duration // Between two fetches, on average.
	CA       []byte        `json:",omitempty"` // PEM certificates of those who may vouch for the server; nil: the system's.
	Insecure bool          `json:",omitempty"` // Plain HTTP is allowed; on loopback it always is.
}

// CheckSafeURL returns an error for a URL by which whoever is on the way could say something else: it is to be https, or http where
// that is allowed or stays on this host. What it says holds no password of the URL.
func CheckSafeURL(text string, insecure bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("this is no URL of the form https://host/path: write the whole of it")
	case u.User != nil:
		return errors.New("a URL with a password in it ends up in logs: remove it")
	case u.Fragment != "" || u.RawFragment != "":
		return errors.New("a server never sees what stands behind #: remove it from the URL")
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return fmt.Errorf("%s://%s is not https, so that whoever is on the way could answer: write https", u.Scheme, u.Host)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Watched reports whether the key set of an Issuer is learnt while the daemon runs: from a file or by a URL.
func (i *Issuer) Watched() bool { return i.KeyFile != "" || i.KeyURL != nil }

// KeySource tells apart where key sets come from; it is the same as long as the Issuer means the same keys.
func (i *Issuer) KeySource() string {
	switch {
	case i.KeyURL != nil && i.KeyURL.URL != "":
		return "url " + i.KeyURL.URL
	case i.KeyURL != nil:
		return "discovery " + i.Issuer
	case i.KeyFile != "":
		return "file " + i.KeyFile
	}
	return ""
}

// UnknownKeys returns the key set that stands in for one that is to be fetched and is not known yet. No token can be signed for
// it: the private half of its key was thrown away when it was made.
func UnknownKeys() []byte { return []byte(unknownKeys) }

const unknownKeys = `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"unknown","e":"AQAB","n":"yMAd5VY9lFhyU6kfbsKFnyElxRvZZTN6b4VEw1dh2s5tCpyxDJHY24nOIVX_LSwRn4LoJDUHkoCYS4-xgew3wegr3mNYhaM6ElsHBRnsFwoIOpowtfWeSqkM4oXDMAqLn2yupK5WkeoUCb6VKGpC0oqOvnmEGISBZ05kSEsqr-T-Y2aTY9K1imA-eWkX1Pncwdc23W_VQHKrPc0Qo090HgYH3fxd3KlhE4EI8fvn93SHddT6DGiHTMR447oYSYYJsR8emYnm53yIrahW-XOMC_I0J7qxByctJQfZPq3CrkCmn1ucHMHiehuvsP9_w4O6WK3FrGHx_9jas-ACpJEF8Q"}]}`

// Awaits reports whether nobody could be let through by a route, because the keys of every issuer that it takes tokens of are to
// be fetched and were never known. Where nothing is observed at all, nothing is awaited.
func (r *Route) Awaits(observed *Observed) bool {
	if observed == nil || len(r.Ways) == 0 {
		return false
	}
	unknown := func(p ResolvedProof) bool {
		return p.Kind == ByJWT && p.Issuer.KeyURL != nil && observed.KeySets[p.Issuer.Name] == nil
	}
	return !slices.ContainsFunc(r.Ways, func(w Way) bool { return !slices.ContainsFunc(w, unknown) })
}
