package gateway_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestSplitRouteName holds that the name of a route says whose it is, also where an operation's name holds a slash.
func TestSplitRouteName(t *testing.T) {
	t.Parallel()
	cases := map[string][3]string{
		"payments/v1/read":       {"payments", "v1", "read"},
		"payments/v1/GET /a/{b}": {"payments", "v1", "GET /a/{b}"},
		"route/website":          {"-", "", "website"},
		"not-found":              {},
		"payments/v1":            {},
		"":                       {},
	}
	for name, want := range cases {
		api, version, operation := gateway.SplitRouteName(name)
		if got := [3]string{api, version, operation}; got != want {
			t.Errorf("the name %q says %q, want %q", name, got, want)
		}
	}
}
