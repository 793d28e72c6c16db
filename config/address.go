package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// ip is the address of a listener.
type ip string

func (v *ip) parse(text string) error {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return fmt.Errorf("%q is no IP address: write one, as in 0.0.0.0 or ::1", text)
	}
	*v = ip(addr.String())
	return nil
}

func (ip) JSONSchema() *jsonschema.Schema {
	return pattern(`^[0-9A-Fa-f.:]+$`, "0.0.0.0", "127.0.0.1", "::")
}

// healthPath is a literal path.
type healthPath string

func (v *healthPath) parse(text string) error {
	p, err := gateway.ParsePath(text)
	if err != nil {
		return err
	}
	if !p.Exact() || text == "/" {
		return fmt.Errorf("%q is no path of its own: write one without parameters, as in /healthz", text)
	}
	*v = healthPath(text)
	return nil
}

func (healthPath) JSONSchema() *jsonschema.Schema { return pattern(`^/[^{}*]+$`, "/healthz") }

// network is an address range of proxies.
type network struct{ netip.Prefix }

func (v *network) parse(text string) error {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		v.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("%q is no address range: write an IP address or a range, as in 10.0.0.0/8", text)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("the range %s has bits set beyond its length: write %s", prefix, prefix.Masked())
	}
	v.Prefix = prefix
	return nil
}

func (network) JSONSchema() *jsonschema.Schema {
	return pattern(`^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$`, "10.0.0.0/8")
}

// host is an exact host name, "*.suffix", or "*"; kept in lower case.
type host string

const hostForm = `^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*)$`

func (v *host) parse(text string) error {
	if !validHost(text) {
		return fmt.Errorf("%q is no host: write a name without port or path, as in api.bank.test, *.bank.test or *", text)
	}
	*v = host(strings.ToLower(text))
	return nil
}

func validHost(text string) bool {
	if text == gateway.AnyHost {
		return true
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(text, "*."), ".") {
		if label == "" || strings.Trim(label, "-") != label || len(label) > 63 ||
			!every(label, func(c byte) bool { return wordCharacter(c) || c == '-' }) {
			return false
		}
	}
	return len(text) <= 253
}

func (host) JSONSchema() *jsonschema.Schema { return pattern(hostForm, "api.bank.test", "*.bank.test") }

// endpointAddress is where an endpoint of an Upstream listens.
type endpointAddress string

func (v *endpointAddress) parse(text string) error {
	address, err := gateway.ParseEndpointAddress(text)
	*v = endpointAddress(address)
	return err
}

func (endpointAddress) JSONSchema() *jsonschema.Schema {
	return pattern(`^(unix:/.+|([0-9.]+|\[[0-9A-Fa-f.:]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5})$`,
		"10.0.0.1:9001", "backend.bank.test:9001", "unix:/run/payments.sock")
}

// recordName is the name of records in DNS.
type recordName string

func (v *recordName) parse(text string) error {
	if !gateway.ValidHostName(text) {
		return fmt.Errorf("%q is no name in DNS: write one without port, as in _http._tcp.bank.test", text)
	}
	*v = recordName(strings.ToLower(text))
	return nil
}

func (recordName) JSONSchema() *jsonschema.Schema {
	return pattern(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`, "_http._tcp.bank.test")
}

// headerCharacter reports a character that a header's name may hold (RFC 9110 5.6.2).
func headerCharacter(c byte) bool {
	return wordCharacter(c) || strings.IndexByte("!#$%&'*+-.^`|~", c) >= 0
}

// secret is the name of a secret, never the secret itself.
type secret string

func (v *secret) parse(text string) error {
	source, rest, _ := strings.Cut(text, ":")
	if (source != "env" && source != "file") || rest == "" {
		return &refusal{code: gateway.CodeSecret, text: "a secret is written out here: write env:NAME or file:./path, and replace the secret, as others may have read it"}
	}
	*v = secret(text)
	return nil
}

func (secret) JSONSchema() *jsonschema.Schema {
	return pattern(`^(env|file):.+$`, "env:SIGNING_KEY", "file:./key.json")
}
