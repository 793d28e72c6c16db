package render

import (
	"crypto/tls"
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
)

// InlineKeys puts the certificates and private keys of listeners and clusters, which a static bootstrap names by their files, into
// the bootstrap itself. read returns a file's content. The error names the file and never its content.
func InlineKeys(bootstrap *bootstrapv3.Bootstrap, read func(path string) ([]byte, error)) error {
	for _, l := range bootstrap.GetStaticResources().GetListeners() {
		for _, chain := range l.GetFilterChains() {
			if err := inlineKeys(chain.GetTransportSocket(), &tlsv3.DownstreamTlsContext{}, read); err != nil {
				return fmt.Errorf("listener %s: %w", l.GetName(), err)
			}
		}
	}
	for _, c := range bootstrap.GetStaticResources().GetClusters() {
		if err := inlineKeys(c.GetTransportSocket(), &tlsv3.UpstreamTlsContext{}, read); err != nil {
			return fmt.Errorf("cluster %s: %w", c.GetName(), err)
		}
	}
	return nil
}

// tlsContext is what a TLS socket of a listener or of a cluster holds.
type tlsContext interface {
	proto.Message
	GetCommonTlsContext() *tlsv3.CommonTlsContext
}

func inlineKeys(socket *corev3.TransportSocket, context tlsContext, read func(path string) ([]byte, error)) error {
	if !socket.GetTypedConfig().MessageIs(context) {
		return nil
	}
	if err := socket.GetTypedConfig().UnmarshalTo(context); err != nil {
		return fmt.Errorf("read the TLS socket: %w", err)
	}
	if ca := context.GetCommonTlsContext().GetValidationContext().GetTrustedCa(); ca.GetFilename() != "" {
		text, err := read(ca.GetFilename())
		if err != nil {
			return err
		}
		ca.Specifier = &corev3.DataSource_InlineBytes{InlineBytes: text}
	}
	for _, c := range context.GetCommonTlsContext().GetTlsCertificates() {
		name := c.GetPrivateKey().GetFilename()
		for _, source := range []*corev3.DataSource{c.GetCertificateChain(), c.GetPrivateKey()} {
			if source.GetFilename() == "" {
				continue
			}
			text, err := read(source.GetFilename())
			if err != nil {
				return err
			}
			source.Specifier = &corev3.DataSource_InlineBytes{InlineBytes: text}
		}
		if _, err := tls.X509KeyPair(c.GetCertificateChain().GetInlineBytes(), c.GetPrivateKey().GetInlineBytes()); err != nil {
			return fmt.Errorf("the key in %s does not fit its certificate now: try again when both files are in place", name)
		}
		c.WatchedDirectory = nil
	}
	if err := socket.GetTypedConfig().MarshalFrom(context); err != nil {
		return fmt.Errorf("write the TLS socket: %w", err)
	}
	return nil
}
