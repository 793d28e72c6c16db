package render_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/xds/render"
)

// pair returns a certificate and its key.
func pair(t *testing.T) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bank.test"}, NotAfter: time.Now().Add(time.Hour)}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// listening returns a bootstrap with a TLS listener whose certificate lies in files, and a plain one.
func listening(t *testing.T) *bootstrapv3.Bootstrap {
	t.Helper()
	file := func(name string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
	}
	context, err := anypb.New(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		TlsCertificates: []*tlsv3.TlsCertificate{{CertificateChain: file("/etc/bank.pem"), PrivateKey: file("/etc/bank.key")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &bootstrapv3.Bootstrap{StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: []*listenerv3.Listener{
		{Name: "http", FilterChains: []*listenerv3.FilterChain{{}}},
		{Name: "https", FilterChains: []*listenerv3.FilterChain{{TransportSocket: &corev3.TransportSocket{
			Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: context},
		}}}},
	}}}
}

func TestInlineKeys(t *testing.T) {
	t.Parallel()
	chain, key := pair(t)
	_, other := pair(t)
	for name, test := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"inlined":   {map[string][]byte{"/etc/bank.pem": chain, "/etc/bank.key": key}, ""},
		"not there": {map[string][]byte{"/etc/bank.pem": chain}, "listener https: file does not exist"},
		"replaced":  {map[string][]byte{"/etc/bank.pem": chain, "/etc/bank.key": other}, "the key in /etc/bank.key does not fit its certificate now"},
	} {
		b := listening(t)
		err := render.InlineKeys(b, func(path string) ([]byte, error) {
			if text, ok := test.files[path]; ok {
				return text, nil
			}
			return nil, fs.ErrNotExist
		})
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if err != nil {
			continue
		}
		context := &tlsv3.DownstreamTlsContext{}
		if err := b.StaticResources.Listeners[1].FilterChains[0].TransportSocket.GetTypedConfig().UnmarshalTo(context); err != nil {
			t.Fatal(err)
		}
		c := context.CommonTlsContext.TlsCertificates[0]
		if string(c.CertificateChain.GetInlineBytes()) != string(chain) || string(c.PrivateKey.GetInlineBytes()) != string(key) {
			t.Errorf("%s: the certificate is %v", name, c.CertificateChain)
		}
	}
}
