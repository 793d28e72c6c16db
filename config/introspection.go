package config

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// How an Issuer is asked where its document does not say.
const (
	introspectionCache   = 30 * time.Second
	introspectionRefused = 10 * time.Second
	introspectionTimeout = 2 * time.Second
)

// introspectionFields say how an issuer is asked about tokens.
type introspectionFields struct {
	URL     introspectionURL `yaml:"url" jsonschema:"required" doc:"Where it is asked: its introspection endpoint, by https, or by http on this machine itself."`
	Client  clientID         `yaml:"client" jsonschema:"required" doc:"As whom Gatehouse asks: its client_id there."`
	Secret  secret           `yaml:"secret" jsonschema:"required" doc:"The client's secret: env:NAME or file:./path, read by the daemon at each call."`
	CA      filePath         `yaml:"ca" doc:"A file of the certificates (PEM) by which the Issuer's own is verified. Those of the daemon's host where not said."`
	Cache   duration         `yaml:"cache" jsonschema:"default=30s" doc:"For how long its word is believed that a token is good, never beyond the token's own end. A token that it takes back is good for that long."`
	Refused duration         `yaml:"refused" jsonschema:"default=10s" doc:"For how long its word is believed that a token is not good."`
	Timeout callTime         `yaml:"timeout" jsonschema:"default=2s" doc:"For one call, 10s at most."`
}

// introspection builds how an issuer is asked; nil where nothing was written.
func (f *introspectionFields) introspection(o *object) *gateway.Introspection {
	if f == nil {
		return nil
	}
	out := &gateway.Introspection{
		URL: string(f.URL), Client: string(f.Client), Secret: f.Secret.reference(o, "introspection.secret"),
		Cache: f.Cache.or(introspectionCache), Refused: f.Refused.or(introspectionRefused), Timeout: duration(f.Timeout).or(introspectionTimeout),
	}
	if f.CA != "" {
		text, _, ok := o.load.include(o, "introspection.ca", string(f.CA))
		if ok && !x509.NewCertPool().AppendCertsFromPEM(text) {
			o.fault(gateway.CodeCertificateFile, "introspection.ca", "%s holds no certificate: write the issuer's authority there, as PEM", f.CA)
		}
		out.CA = text
	}
	return out
}

// reference returns where a secret is, as the daemon finds it, and reports one that it would not find. The secret itself is not kept.
func (v secret) reference(o *object, field string) string {
	if v == "" {
		return ""
	}
	if _, ok := o.load.secret(o, field, string(v)); !ok {
		return ""
	}
	if named, ok := strings.CutPrefix(string(v), "file:"); ok {
		file, err := resolve(o.file, named)
		if err != nil {
			return ""
		}
		return "file:" + file
	}
	return string(v)
}

// introspectionURL is where an issuer is asked.
type introspectionURL string

func (v *introspectionURL) parse(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("this is no URL: write one that begins with https://")
	case u.User != nil:
		return &refusal{code: gateway.CodeSecret, text: "a secret is written out in the URL: write client and secret, and replace it, as others may have read it"}
	case u.Fragment != "":
		return fmt.Errorf("a URL that is asked has no fragment: remove what stands behind #")
	case u.Scheme == "http" && !onThisMachine(u.Hostname()):
		return fmt.Errorf("tokens and a secret are sent there: write https://")
	}
	*v = introspectionURL(text)
	return nil
}

func (introspectionURL) JSONSchema() *jsonschema.Schema {
	return pattern(`^https?://[^@#]+$`, "https://id.bank.test/oauth2/introspect")
}

func onThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// clientID is the name of a client at an issuer (RFC 6749 A.1: printable ASCII).
type clientID string

func (v *clientID) parse(text string) error {
	if text == "" || !every(text, func(c byte) bool { return ' ' <= c && c <= '~' }) {
		return fmt.Errorf("%q is no client_id: write printable characters", text)
	}
	*v = clientID(text)
	return nil
}

func (clientID) JSONSchema() *jsonschema.Schema { return pattern(`^[ -~]+$`, "gateway") }

// maxCallTime bounds a call during which requests wait.
const maxCallTime = 10 * time.Second

// callTime is how long a call may take during which requests wait.
type callTime duration

func (v *callTime) parse(text string) error {
	var d duration
	if err := d.parse(text); err != nil {
		return err
	}
	if time.Duration(d) > maxCallTime {
		return fmt.Errorf("the timeout %q is too long, as requests wait for the answer: write at most 10s", text)
	}
	*v = callTime(d)
	return nil
}

func (callTime) JSONSchema() *jsonschema.Schema { return pattern(durationForm, "500ms", "2s") }
