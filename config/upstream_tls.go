package config

import (
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// upstreamTLSFields say how endpoints are reached by TLS.
type upstreamTLSFields struct {
	CA          filePath `yaml:"ca" doc:"A file of PEM certificates of those who may have issued an endpoint's. It is part of the configuration: a change is rolled out, and closes no connection. Those that the daemon's system trusts where not said."`
	Names       []host   `yaml:"names" order:"none" jsonschema:"minItems=1" doc:"What an endpoint's certificate must be good for, any one of them. The host of the endpoints where not said."`
	SNI         host     `yaml:"sni" doc:"The host that is named to the endpoints. The first of names by the alphabet, where not said."`
	Certificate name     `yaml:"certificate" doc:"The name of the Certificate that is shown to the endpoints (mutual TLS). It is replaced without a lost connection."`
	Min         string   `yaml:"min" jsonschema:"enum=1.2,enum=1.3,default=1.2" doc:"The oldest version of TLS that is spoken."`
	Verify      string   `yaml:"verify" jsonschema:"enum=endpoint,enum=nothing-at-all,default=endpoint" doc:"Whether endpoints must prove who they are. nothing-at-all believes whoever answers."`
}

// tls puts into an Upstream how its endpoints are reached by TLS.
func (f *upstreamTLSFields) tls(o *object, u *gateway.Upstream) {
	if f == nil {
		return
	}
	t := &gateway.UpstreamTLS{
		Names: texts(f.Names), SNI: string(f.SNI), Identity: string(f.Certificate),
		Minimum: or(gateway.TLSVersion(f.Min), gateway.TLS12), Unverified: f.Verify == "nothing-at-all",
	}
	u.TLS = t
	if f.CA != "" {
		if text, _, ok := o.load.include(o, "tls.ca", string(f.CA)); ok {
			var err error
			if t.Authority, err = readAuthorities(text); err != nil {
				o.fault(gateway.CodeBadValue, "tls.ca", "%s", err)
			}
		}
	}
	if t.Unverified && (f.CA != "" || f.Names != nil) {
		o.fault(gateway.CodeConflict, "tls.verify", "ca and names say what to verify, and verify: nothing-at-all that nothing is: keep one")
	}
	if len(t.Names) == 0 && !t.Unverified {
		t.Names = hostsOf(u)
	}
	if len(t.Names) == 0 && !t.Unverified || len(t.Names) > 1 && f.Names == nil {
		o.fault(gateway.CodeUpstreamName, "tls", "nothing says for which host the certificates of the endpoints are good: write names: [HOST]")
	}
	slices.Sort(t.Names)
	t.Names = slices.Compact(t.Names)
	if t.SNI == "" {
		t.SNI = firstHost(t.Names)
	}
	for _, name := range append(slices.Clone(t.Names), t.SNI) {
		if name == gateway.AnyHost || name == t.SNI && name != "" && name[0] == '*' {
			o.fault(gateway.CodeBadValue, "tls", "%s is no name that an endpoint could have: write one without *, or *.suffix under names", name)
		}
	}
}

// hostsOf returns the distinct hosts by which endpoints are written.
func hostsOf(u *gateway.Upstream) []string {
	var hosts []string
	for _, e := range u.Endpoints {
		host, _, named := e.HostPort()
		if !named {
			return nil // Nothing says who this one is.
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// firstHost returns the first name that is no pattern.
func firstHost(names []string) string {
	for _, name := range names {
		if name[0] != '*' {
			return name
		}
	}
	return ""
}
