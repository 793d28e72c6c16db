package envoy_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
)

// TestRouteName holds that a route's name keeps its rules, whatever its own name holds.
func TestRouteName(t *testing.T) {
	t.Parallel()
	for _, want := range [][2]string{{"payments/v1/read", "a1"}, {"payments/v1/read@home", "a1"}, {"not-found", ""}} {
		name, rules := envoy.ReadRouteName(envoy.RouteName(want[0], want[1]))
		if got := [2]string{name, rules}; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
