package admin

import (
	"fmt"
	"strings"
	"testing"
)

const testToken = "correct-horse-battery-staple"

// TestExport asks for what a fleet has: with keys through a socket only.
func TestExport(t *testing.T) {
	t.Parallel()
	k := &known{export: func(fleet string, keys bool, format Format) ([]byte, error) {
		switch fleet {
		case "none":
			return nil, fmt.Errorf("%w: %q", ErrNoFleet, fleet)
		case "early":
			return nil, ErrNoRevision
		}
		return fmt.Appendf(nil, "%s %v %s", fleet, keys, format), nil
	}}
	socket := onSocket(t, k)
	tcp := dial(t, serve(t, "tcp", "127.0.0.1:0", testToken, k).Addr().String(), testToken)
	for _, test := range []struct {
		client *Client
		fleet  string
		keys   bool
		format Format
		want   string
		wrong  string
	}{
		{socket, "edge", false, YAML, "edge false yaml", ""},
		{socket, "edge", true, JSON, "edge true json", ""},
		{tcp, "edge", false, YAML, "edge false yaml", ""},
		{tcp, "edge", true, YAML, "", "private keys leave only through the Unix socket"},
		{socket, "none", false, YAML, "", `there is no such fleet: "none"`},
		{socket, "early", false, YAML, "", "no revision is in use"},
		{socket, "edge", false, "xml", "", "expected value to be one of"},
	} {
		got, err := test.client.Export(t.Context(), test.fleet, test.keys, test.format)
		if string(got) != test.want || (err == nil) != (test.wrong == "") || (err != nil && !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s, keys %v, %s: %q, %v, want %q or an error with %q", test.fleet, test.keys, test.format, got, err, test.want, test.wrong)
		}
	}
}
