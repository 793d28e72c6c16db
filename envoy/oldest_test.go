package envoy_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
)

func TestTooOld(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		envoy.Oldest: false, envoy.Version(): false, "1.100.0": false, "2.0.0": false, "1.37.1-dev": false, "": false, "unknown": false,
		"1.36.9": true, "1.9.40": true, "0.40.0": true, "1.36.0-dev": true,
	} {
		if got := envoy.TooOld(version); (got != "") != want || want && !strings.Contains(got, envoy.Oldest) {
			t.Errorf("of Envoy %q is said %q", version, got)
		}
	}
}
