package opaconfig_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/authz/opaconfig"
)

func lookup(name string) (string, bool) {
	value, ok := map[string]string{"BUNDLE_TOKEN": "s3cret"}[name]
	return value, ok
}

const whole = `
labels: {region: north}
services:
  acme:
    url: https://bundles.nordhaven.test/v1/
    headers: {x-tenant: bank}
    response_header_timeout_seconds: 5
    credentials: {bearer: {token: "${BUNDLE_TOKEN}"}}
keys:
  bank: {algorithm: ES256, key: "PEM"}
bundles:
  authz:
    service: acme
    resource: bundles/authz.tar.gz
    persist: true
    polling: {min_delay_seconds: 10, max_delay_seconds: 20, long_polling_timeout_seconds: 30}
    signing: {keyid: bank}
  gone: null
decision_logs:
  console: true
  mask_decision: /bank/mask
  reporting: {buffer_type: event}
status: {console: true}
plugins:
  envoy_ext_authz_grpc:
    addr: :9292
    path: bank/allow
    dry-run: true
    enable-reflection: true
    proto-descriptor: /set.pb
    grpc-max-recv-msg-size: 40194304
    grpc-max-send-msg-size: 2147483647
    skip-request-body-parse: true
    enable-performance-metrics: true
    grpc-request-duration-seconds-buckets: [0.1, 1]
`

func TestParse(t *testing.T) {
	t.Parallel()
	c, notes, err := opaconfig.Parse([]byte(whole), lookup)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Plugins.Envoy
	if p.Address != ":9292" || p.Path != "bank/allow" || !p.DryRun || !p.Reflection || p.Descriptors != "/set.pb" || p.MaxReceive != 40194304 ||
		p.MaxSend != 2147483647 || !p.SkipBody || !p.Metrics || len(p.Buckets) != 2 {
		t.Errorf("the plugin: %+v", p)
	}
	b := c.Bundles["authz"]
	if len(c.Bundles) != 1 || b.Service != "acme" || !b.Persist || b.Polling.Long != 30 || b.Signing.KeyID != "bank" {
		t.Errorf("bundles: %+v", c.Bundles)
	}
	if c.Logs.Resource != "logs" || c.Logs.Service != "" || c.Logs.Mask != "/bank/mask" {
		t.Errorf("logs: %+v", c.Logs)
	}
	url, err := c.Services["acme"].Resource(b.Resource)
	if err != nil || url != "https://bundles.nordhaven.test/v1/bundles/authz.tar.gz" {
		t.Errorf("the bundle is at %s: %v", url, err)
	}
	header := http.Header{}
	if err := c.Services["acme"].Head(header); err != nil || header.Get("Authorization") != "Bearer s3cret" || header.Get("X-Tenant") != "bank" {
		t.Errorf("headers %v: %v", header, err)
	}
	want := []string{"decision_logs.reporting.buffer_type has no effect", "status has no effect"}
	if len(notes) != len(want) || !strings.HasPrefix(notes[0], want[0]) || !strings.HasPrefix(notes[1], want[1]) {
		t.Errorf("notes are %q", notes)
	}
}

// TestParseSpellings reads the older forms.
func TestParseSpellings(t *testing.T) {
	t.Parallel()
	c, _, err := opaconfig.Parse([]byte(`{"services": [{"name": "default", "url": "http://127.0.0.1:8888"}],
		"bundle": {"name": "istio/authz", "service": "default"},
		"decision_logs": {"partition_name": "p1"},
		"plugins": {"envoy_ext_authz_grpc": {"query": "data.istio.authz.allow"}}}`), lookup)
	if err != nil {
		t.Fatal(err)
	}
	b := c.Bundles["istio/authz"]
	if b == nil || b.Resource != "bundles/istio/authz" || c.Plugins.Envoy.Path != "data.istio.authz.allow" || c.Logs.Service != "default" || c.Logs.Resource != "logs/p1" {
		t.Errorf("read %+v, %+v, %+v", b, c.Plugins.Envoy, c.Logs)
	}
	c, _, err = opaconfig.Parse([]byte("plugins: {envoy_ext_authz_grpc: {}}"), lookup)
	if err != nil || c.Plugins.Envoy.Path != "envoy/authz/allow" {
		t.Errorf("read %+v: %v", c, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plugins: {envoy_ext_authz_grpc: {dryrun: true}}":           "plugins.envoy_ext_authz_grpc.dryrun: unknown key, did you mean dry-run?",
		"plugins: {envoy.ext_authz.grpc: {addr: x}}":                "plugins.envoy.ext_authz.grpc: only the plugin envoy_ext_authz_grpc",
		"plugins: {envoy_ext_authz_grpc: {path: a, query: data.a}}": "write only path",
		"plugins: {envoy_ext_authz_grpc: {dry-run: maybe}}":         "dry-run",
		"bundle_s: {}":                                                                "bundle_s: unknown key",
		"discovery: {name: x}":                                                        "discovery is not supported",
		"bundles: {a: {service: nobody}}":                                             `bundles.a: there is no service "nobody"`,
		"services: {s: {url: x, credentials: {oauth2: {}}}}":                          "services.s.credentials.oauth2: oauth2 is not supported",
		"services: {s: {url: x}}\nbundles: {a: {trigger: manual}}":                    `the trigger "manual"`,
		"services: {s: {url: x}}\nbundles: {a: {signing: {keyid: k}}}":                "there are no keys",
		"services: {s: {url: x}}\nkeys: {b: {}}\nbundles: {a: {signing: {keyid: k}}}": `there is no key "k"`,
		"services: {s: {url: x}}\nbundles: {a: {polling: {min_delay_seconds: 9}}}":    "not in order",
		"services: [{name: s, urll: x}]":                                              "services[0].urll: unknown key, did you mean url?",
		"decision_logs: {plugin: mine}":                                               "decision_logs.plugin: plugins for decision logs are not supported",
		"decision_logs: {service: nobody}":                                            `there is no service "nobody"`,
		"{":                                                                           "neither YAML nor JSON",
	} {
		if _, _, err := opaconfig.Parse([]byte(text), lookup); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	c, _, err := opaconfig.Parse([]byte("services: {s: {url: 'ftp://x', tls: {ca_cert: "+token+"}, credentials: {bearer: {scheme: Key, token_path: "+token+"}}}}"), lookup)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services["s"]
	if err := s.Head(http.Header{}); err == nil {
		t.Error("a token's file that is not there is no error")
	}
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	if err := s.Head(header); err != nil || !slices.Equal(header["Authorization"], []string{"Key s3cret"}) {
		t.Errorf("headers %v: %v", header, err)
	}
	if _, err := s.Resource("x"); err == nil {
		t.Error("a service that is no HTTP server is no error")
	}
	if _, err := s.Client(0); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("an authority that is none: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _, _ = opaconfig.Parse(text, lookup) })
}
