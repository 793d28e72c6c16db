package envoy

import (
	"path/filepath"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Where a node's key and certificate are, below IdentityDir: CurrentIdentity is a symbolic link to the directory that holds
// the three files. It is replaced by a rename, which is what Envoy watches for; so a key is never read with another's
// certificate.
const (
	CurrentIdentity = "current"
	FileKey         = "key.pem"
	FileCertificate = "certificate.pem"
	FileBundle      = "bundle.pem"
)

// Names of the secrets by which an Envoy proves itself to Gatehouse, and Gatehouse to it.
const (
	secretCertificate = "gatehouse_certificate"
	secretBundle      = "gatehouse_bundle"
)

// ServerID returns the SPIFFE id by which Gatehouse itself is known in a trust domain.
func ServerID(domain string) string { return "spiffe://" + domain + "/gatehouse" }

// IdentityDir returns the directory in which this Envoy's key, certificate and trust bundle are. Envoy watches it.
func (s Settings) IdentityDir() string { return filepath.Join(s.Dir, "identity") }

// identityFile returns the path of one of the files in IdentityDir.
func (s Settings) identityFile(name string) string {
	return filepath.Join(s.IdentityDir(), CurrentIdentity, name)
}

// secretFile returns the path of the file that tells Envoy where a secret is.
func (s Settings) secretFile(secret string) string {
	return filepath.Join(s.Dir, "secrets", secret+".yaml")
}

// secure makes a cluster to Gatehouse speak mutual TLS, where the settings name a trust domain: the node's certificate is shown,
// and the server must be Gatehouse itself by a root of the trust bundle. Both are read from files, again whenever they change.
func secure(c *clusterv3.Cluster, s Settings, p *packer) {
	if s.TrustDomain == "" {
		return
	}
	fromFile := func(secret string) *tlsv3.SdsSecretConfig {
		return &tlsv3.SdsSecretConfig{Name: secret, SdsConfig: &corev3.ConfigSource{
			ResourceApiVersion: corev3.ApiVersion_V3,
			ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
				Path: s.secretFile(secret),
			}},
		}}
	}
	c.TransportSocket = &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: p.pack(&tlsv3.UpstreamTlsContext{
			CommonTlsContext: &tlsv3.CommonTlsContext{
				TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3},
				AlpnProtocols:                  []string{"h2"},
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{fromFile(secretCertificate)},
				ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
					CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
						DefaultValidationContext: &tlsv3.CertificateValidationContext{
							MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
								SanType: tlsv3.SubjectAltNameMatcher_URI,
								Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: ServerID(s.TrustDomain)}},
							}},
						},
						ValidationContextSdsSecretConfig: fromFile(secretBundle),
					},
				},
			},
		})},
	}
}

// secrets returns what the files say that tell Envoy where its secrets are, by their paths.
func (s Settings) secrets() (map[string]proto.Message, error) {
	file := func(name string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: s.identityFile(name)}}
	}
	watched := &corev3.WatchedDirectory{Path: s.IdentityDir()}
	files := map[string]proto.Message{}
	for _, secret := range []*tlsv3.Secret{
		{Name: secretCertificate, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: file(FileCertificate), PrivateKey: file(FileKey), WatchedDirectory: watched,
		}}},
		{Name: secretBundle, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: file(FileBundle), WatchedDirectory: watched,
		}}},
	} {
		resource, err := anypb.New(secret)
		if err != nil {
			return nil, err
		}
		files[s.secretFile(secret.GetName())] = &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}}
	}
	return files, nil
}
