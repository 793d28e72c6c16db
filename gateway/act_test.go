package gateway_test

import (
	"slices"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestVersionsAreToldApart holds which versions of one API cannot stand beside one another.
func TestVersionsAreToldApart(t *testing.T) {
	t.Parallel()
	header, first := gateway.Versioning{Header: "x-api-version"}, gateway.Versioning{Header: "x-api-version", Default: true}
	for name, test := range map[string]struct {
		one, two gateway.Versioning
		hosts    []string // Of the second.
		faults   int
	}{
		"two headers": {header, first, nil, 0}, "two defaults": {first, first, nil, 2}, "two defaults on two hosts": {first, first, []string{"v2.bank.test"}, 0},
		"one host": {gateway.Versioning{ByHost: true}, gateway.Versioning{ByHost: true}, nil, 2}, "two hosts": {gateway.Versioning{ByHost: true}, gateway.Versioning{ByHost: true}, []string{"v2.bank.test"}, 0},
	} {
		api := func(version string, v gateway.Versioning, hosts []string) *gateway.API {
			return &gateway.API{
				Kind: gateway.KindAPI, Name: "bank", Version: version, Unlisted: gateway.Refuse, Authenticate: &gateway.Authenticate{None: true},
				Expose: []gateway.Exposure{{Gateway: "edge", Hosts: hosts, Versioning: v}}, To: []gateway.Destination{{Upstream: "bank", Weight: 1}},
				Operations: []gateway.Operation{{ID: "get", Match: gateway.Match{Methods: []string{"GET"}, Path: mustPath(t, "/x")}}},
			}
		}
		hosts := test.hosts
		if hosts == nil {
			hosts = []string{"v1.bank.test"}
		}
		_, faults := gateway.Assemble(&gateway.Documents{
			Gateways:  []*gateway.Gateway{{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "::", Port: 80, Hosts: []string{"*"}}}}},
			Upstreams: []*gateway.Upstream{{Name: "bank"}},
			APIs:      []*gateway.API{api("v1", test.one, []string{"v1.bank.test"}), api("v2", test.two, hosts)},
		}, nil)
		told := slices.DeleteFunc(slices.Clone(faults), func(f gateway.Fault) bool { return f.Code != gateway.CodeVersion })
		if len(told) != test.faults {
			t.Errorf("%s: %v, want %d faults", name, faults, test.faults)
		}
	}
}

// TestNewPaths holds what becomes of paths, and which new ones cannot be made.
func TestNewPaths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, from, to, path, want string }{
		{"", "/a/{x}", "/b/{x}", "/a/7", "/b/7"},
		{"/base", "/a/{x}", "/{x}/$0", "/base/a/7", "/7/$0"},
		{"/base", "/a/**", "/b/**", "/base/a", "/b"},
		{"/base", "/a/**", "/**", "/base/a", "/"},
		{"/base", "/a/**", "/**", "/base/a/b", "/b"},
		{"/base", "~/a/([0-9]+)/(?P<rest>.*)", "/b/{rest}/{1}", "/base/a/12/x/y", "/b/x/y/12"},
	} {
		from, to := mustPath(t, test.from).Join(test.base), mustPath(t, test.to)
		r := &gateway.Route{Base: test.base, Match: gateway.Match{Path: from}, Acts: gateway.Acts{Rewrite: &gateway.Rewrite{Path: &to}}}
		change, ok := r.NewPath()
		if got := change.Of(test.path); !ok || got != test.want || !from.Matches(test.path) {
			t.Errorf("%s from %s to %s: %s, want %s", test.path, from, to, got, test.want)
		}
	}
}

func mustPath(t *testing.T, text string) gateway.Path {
	t.Helper()
	parse := gateway.ParsePath
	if text[0] == '~' {
		parse, text = gateway.ParseRegexPath, text[1:]
	}
	p, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
