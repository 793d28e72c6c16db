package envoy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	binary := needs.Envoy(t)
	for name, test := range map[string]struct{ config, want string }{
		"good":   {`node: {id: edge-1}`, ""},
		"syntax": {"a: [b\n", "yaml-cpp: error at line 2, column 1: end of sequence flow not found"},
		"secret": {
			`{"static_resources": {"secrets": [{"name": "bank", "generic_secret": {"secret": {"inline_string": "hush"}}, "bogus": 1}]}}`,
			`bogus`,
		},
		"address": {
			`{"static_resources": {"clusters": [{"name": "payments", "load_assignment": {"cluster_name": "payments", "endpoints":
			[{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "bank.test", "port_value": 1}}}}]}]}}]}}`,
			"malformed IP address: bank.test",
		},
		"several lines": {
			`static_resources: {clusters: [{name: payments, connect_timeout: -1s}]}`,
			"Invalid duration: Expected positive duration: seconds: -1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := envoy.Validate(t.Context(), binary, []byte(test.config))
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, envoy.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want ErrRefused with %q", err, test.want)
			}
			for _, unwanted := range []string{"hush", "gatehouse-validate", "\n", "goo.gle", "[critical]", "  "} {
				if strings.Contains(err.Error(), unwanted) {
					t.Errorf("error %q contains %q", err, unwanted)
				}
			}
		})
	}
}

func TestValidateWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	if err := envoy.Validate(t.Context(), "testdata/absent", nil); err == nil || errors.Is(err, envoy.ErrRefused) {
		t.Errorf("an absent binary gives error %v, want one that is no verdict", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := envoy.Validate(ctx, needs.Envoy(t), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context gives error %v", err)
	}
}
